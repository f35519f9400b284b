import { execFile } from "node:child_process"
import { availableParallelism } from "node:os"
import { promisify } from "node:util"
import { Worker } from "node:worker_threads"
import { describe, expect, it } from "vitest"
import { PacketTrace } from "../../layers/sim/PacketTrace.ts"
import { initialTtl, type SimPacket } from "../../layers/sim/SimPacket.ts"
import { Timeline } from "../../layers/sim/Timeline.ts"
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

const packet: SimPacket = {
  from: { host: "10.0.0.1", port: 1, family: 4 },
  to: { host: "10.0.0.2", port: 2, family: 4 },
  bytes: new Uint8Array([1, 2]),
  ecn: 0,
  dontFragment: true,
  ttl: initialTtl,
  origin: "a"
}

/** Of a packet from each of `count` addresses, and then this one. */
const traceOf = (last: SimPacket, count = 0, fate: "sent" | "lost" = "sent", where = "a link") => {
  const trace = new PacketTrace(new Timeline())
  for (let i = 0; i < count; i++)
    trace.record(
      "sent",
      { ...packet, from: { ...packet.from, host: `10.${i >> 16}.${(i >> 8) & 255}.${i & 255}` } },
      "flood"
    )
  trace.record(fate, last, where)
  return trace
}

describe("the digest of a trace", () => {
  const digest = traceOf(packet).digest()

  it("is of each field of an event", () => {
    const others = [
      traceOf({ ...packet, from: { ...packet.from, host: "10.0.0.3" } }),
      traceOf({ ...packet, from: { ...packet.from, port: 3 } }),
      traceOf({ ...packet, to: { ...packet.to, host: "10.0.0.3" } }),
      traceOf({ ...packet, to: { ...packet.to, port: 3 } }),
      traceOf({ ...packet, bytes: new Uint8Array([1, 3]) }),
      traceOf({ ...packet, bytes: new Uint8Array([1, 2, 0]) }),
      traceOf({ ...packet, ecn: 2 }),
      traceOf({ ...packet, isSegment: true }),
      traceOf({ ...packet, icmp: { from: packet.from, to: packet.to, mtu: 1280 } }),
      traceOf(packet, 0, "lost"),
      traceOf(packet, 0, "sent", "another link")
    ].map((trace) => trace.digest())
    expect(new Set([digest, ...others]).size).toBe(others.length + 1)
    expect(traceOf(packet).digest()).toBe(digest)
  })

  it("remembers no more than 4096 names and addresses, and differs by those that come later", () => {
    const trace = traceOf(packet, 20_000)
    expect((trace as unknown as { numbers: Map<string, number> }).numbers.size).toBeLessThanOrEqual(4096)
    expect(traceOf(packet, 20_000).digest()).toBe(trace.digest())
    const other = { ...packet, from: { ...packet.from, host: "192.0.2.1" } }
    expect(traceOf(other, 20_000).digest()).not.toBe(trace.digest())
  })
})
