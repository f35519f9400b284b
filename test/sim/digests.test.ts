import { execFile } from "node:child_process"
import { availableParallelism } from "node:os"
import { promisify } from "node:util"
import { Worker } from "node:worker_threads"
import { describe, expect, it } from "vitest"
import { digestOf } from "./replay/digest.ts"

const seed = "any seed"
const expected = digestOf(seed)

/** Keeps every core busy while `run` runs. */
const underLoad = async <A>(run: () => Promise<A>): Promise<A> => {
  const burners = Array.from(
    { length: availableParallelism() },
    () => new Worker("for (;;);", { eval: true })
  )
  try {
    return await run()
  } finally {
    await Promise.all(burners.map((burner) => burner.terminate()))
  }
}

/** Fills the event loop with unrelated turns, some of them long. */
const amongNoise = async <A>(run: () => Promise<A>): Promise<A> => {
  let isOver = false
  const noise = (): void => {
    const until = performance.now() + Math.random()
    while (performance.now() < until);
    if (!isOver)
      [() => setImmediate(noise), () => setTimeout(noise, Math.random() * 3)][+(Math.random() < 0.3)]()
  }
  for (let i = 0; i < 2; i++) noise()
  try {
    return await run()
  } finally {
    isOver = true
  }
}

describe("the digest of a run", () => {
  it("is the same for the same seed, and differs for another", async () => {
    expect(await digestOf(seed)).toBe(await expected)
    expect(await digestOf("another seed")).not.toBe(await expected)
  })

  it("is the same while other simulations run in the process", async () => {
    const [first, other, second] = await Promise.all([
      digestOf(seed),
      digestOf("another seed"),
      digestOf(seed)
    ])
    expect([first, second]).toEqual([await expected, await expected])
    expect(other).not.toBe(first)
  })

  it("is the same with every core busy", async () => {
    expect(await underLoad(() => digestOf(seed))).toBe(await expected)
  })

  it("is the same in an event loop full of unrelated work", async () => {
    expect(await amongNoise(() => digestOf(seed))).toBe(await expected)
  })

  it("is the same in a separate process, on busy cores", async () => {
    const script = new URL("./replay/digest.ts", import.meta.url).pathname
    const { stdout } = await underLoad(() => promisify(execFile)(process.execPath, [script, seed]))
    expect(stdout.trim()).toBe(await expected)
  })
})
