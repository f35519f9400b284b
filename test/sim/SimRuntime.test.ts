import { generateKeyPairSync, hkdfSync, pbkdf2, randomFillSync } from "node:crypto"
import { readFile } from "node:fs/promises"
import { MessageChannel } from "node:worker_threads"
import * as Clock from "effect/Clock"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Random from "effect/Random"
import { describe, expect, it } from "vitest"
import * as SimRuntime from "../../layers/sim/SimRuntime.ts"
import { itSim } from "./itSim.ts"

const stallOf = async (
  report: Promise<SimRuntime.SimReport<unknown, unknown>>
): Promise<SimRuntime.SimStalled> => {
  const { exit } = await report
  if (Exit.isSuccess(exit)) throw new Error("the program succeeded")
  const reason = exit.cause.reasons[0]
  if (reason._tag !== "Die") throw new Error(`expected a defect, found ${reason._tag}`)
  return reason.defect as SimRuntime.SimStalled
}

describe("virtual time", () => {
  itSim("passes an hour of second-long sleeps in well under a second of real time", () =>
    Effect.gen(function* () {
      const realStart = performance.now()
      const start = yield* Clock.currentTimeMillis
      for (let i = 0; i < 3600; i++) yield* Effect.sleep("1 second")
      expect((yield* Clock.currentTimeMillis) - start).toBe(3_600_000)
      expect(performance.now() - realStart).toBeLessThan(1000)
    })
  )

  itSim(
    "wakes sleepers in the order of their deadlines, those of one instant in the order they went to sleep",
    () =>
      Effect.gen(function* () {
        const woken: Array<string> = []
        const sleeper = (name: string, millis: number) =>
          Effect.sleep(millis).pipe(Effect.andThen(Effect.sync(() => woken.push(name))))
        yield* Effect.all([sleeper("c", 30), sleeper("a", 10), sleeper("b1", 20), sleeper("b2", 20)], {
          concurrency: "unbounded"
        })
        expect(woken).toEqual(["a", "b1", "b2", "c"])
      })
  )

  itSim("forgets the sleep of an interrupted fiber", () =>
    Effect.gen(function* () {
      const fiber = yield* Effect.forkChild(Effect.sleep("1 hour"))
      yield* Effect.sleep(1)
      yield* Fiber.interrupt(fiber)
      expect(yield* Clock.monotonicTimeNanos).toBe(1_000_000n)
    })
  )

  itSim("resolves sleeps finer than a millisecond, and wall and monotonic clocks agree", () =>
    Effect.gen(function* () {
      const wall = yield* Clock.currentTimeNanos
      yield* Effect.sleep("1500 micros")
      yield* Effect.sleep("1 nanos")
      expect(yield* Clock.monotonicTimeNanos).toBe(1_500_001n)
      expect((yield* Clock.currentTimeNanos) - wall).toBe(1_500_001n)
    })
  )

  itSim("times out what never ends", () =>
    Effect.gen(function* () {
      const outcome = yield* Effect.timeoutOption(Effect.never, "5 minutes")
      expect(outcome._tag).toBe("None")
      expect(yield* Clock.monotonicTimeNanos).toBe(300_000_000_000n)
    })
  )

  itSim("stands still while the real world works, however long that takes", () =>
    Effect.gen(function* () {
      const ticker = yield* Effect.forkChild(Effect.forever(Effect.sleep(1)))
      yield* Effect.sleep(10)
      const pair = yield* Effect.promise(() =>
        crypto.subtle.generateKey(
          {
            name: "RSA-PSS",
            modulusLength: 2048,
            publicExponent: new Uint8Array([1, 0, 1]),
            hash: "SHA-256"
          },
          true,
          ["sign", "verify"]
        )
      )
      yield* Effect.promise(() =>
        crypto.subtle.sign({ name: "RSA-PSS", saltLength: 32 }, pair.privateKey, new Uint8Array(8))
      )
      yield* Effect.promise(() => readFile(new URL(import.meta.url), "utf8"))
      expect(yield* Clock.monotonicTimeNanos).toBe(10_000_000n)
      yield* Fiber.interrupt(ticker)
    })
  )
})

describe("the real world", () => {
  itSim("is not waited for when it has answered already", () =>
    Effect.gen(function* () {
      hkdfSync("sha256", "key", "salt", "info", 32)
      generateKeyPairSync("ed25519")
      randomFillSync(new Uint8Array(8))
      const start = performance.now()
      yield* Effect.sleep("1 minute")
      expect(performance.now() - start).toBeLessThan(1000)
    })
  )

  itSim("has what the event loop runs next done before time passes", () =>
    Effect.gen(function* () {
      const ticker = yield* Effect.forkChild(Effect.forever(Effect.sleep(1)))
      for (let i = 0; i < 20; i++) {
        yield* Effect.sleep(10)
        const before = yield* Clock.monotonicTimeNanos
        yield* Effect.callback<void>((resume) => void setImmediate(() => resume(Effect.void)))
        yield* Effect.promise(async () => {
          for (let j = 0; j < 100; j++) await Promise.resolve()
        })
        expect(yield* Clock.monotonicTimeNanos).toBe(before)
      }
      yield* Fiber.interrupt(ticker)
    })
  )

  itSim("is heard while a program only computes: the event loop has a turn now and then", () =>
    Effect.gen(function* () {
      const { port1, port2 } = new MessageChannel()
      let heard = 0
      port2.on("message", () => heard++)
      port1.postMessage("hello")
      for (let i = 0; i < 500; i++) yield* Effect.sleep(1)
      expect(heard).toBe(1)
      port1.close()
    })
  )

  it("is abandoned when it takes too long", async () => {
    const slow = Effect.callback<void>((resume) =>
      pbkdf2("a", "b", 1_000_000, 32, "sha512", () => resume(Effect.void))
    )
    const stalled = await stallOf(SimRuntime.run(1, slow, { maxRealWaitMillis: 20 }))
    expect(stalled.reason).toBe("realWork")
    expect(stalled.message).toContain("PBKDF2REQUEST")
  })
})

describe("determinism", () => {
  const draws = Effect.all([Random.next, Random.nextInt, Random.nextIntBetween(0, 1000)])
  const order = Effect.gen(function* () {
    const seen: Array<number> = []
    yield* Effect.forEach(
      Array.from({ length: 8 }, (_, i) => i),
      (i) =>
        Effect.sync(() => seen.push(i)).pipe(
          Effect.delay(1),
          Effect.andThen(Effect.yieldNow),
          Effect.andThen(Effect.sync(() => seen.push(i)))
        ),
      { concurrency: "unbounded", discard: true }
    )
    return seen
  })

  it("draws the same numbers for the same seed and different ones for another", async () => {
    const first = await SimRuntime.runPromise(1, draws)
    expect(await SimRuntime.runPromise(1, draws)).toEqual(first)
    expect(await SimRuntime.runPromise(2, draws)).not.toEqual(first)
  })

  it("runs ready fibers in the order they became ready, unless asked to interleave", async () => {
    const seen = await SimRuntime.runPromise(1, order)
    expect(seen).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 0, 1, 2, 3, 4, 5, 6, 7])
  })

  it("permutes ready fibers by the seed when asked to interleave", async () => {
    const seen = (seed: number) => SimRuntime.runPromise(seed, order, { interleaving: "seeded" })
    const first = await seen(1)
    expect(await seen(1)).toEqual(first)
    const others = await Promise.all([2, 3, 4, 5].map(seen))
    expect(others.some((other) => other.join() !== first.join())).toBe(true)
    expect(first.toSorted()).toEqual([0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6, 7, 7])
  })
})

describe("a program that cannot finish", () => {
  it("is reported as a deadlock when nothing is due, and runs its finalizers", async () => {
    let released = false
    const program = Effect.gen(function* () {
      yield* Effect.sleep("3 seconds")
      const never = yield* Deferred.make<void>()
      yield* Deferred.await(never)
    }).pipe(
      Effect.ensuring(
        Effect.sleep(50).pipe(
          Effect.andThen(
            Effect.sync(() => {
              released = true
            })
          )
        )
      )
    )
    const stalled = await stallOf(SimRuntime.run("my seed", program))
    expect(stalled.reason).toBe("deadlock")
    expect(stalled.message).toMatchInlineSnapshot(`
      "The simulation is stuck (deadlock) at virtual time 3.000000 s, seed "my seed". No fiber is ready and no event is pending, but the program has not ended: something waits for what can no longer happen, such as a lost message, a latch that is never opened, or a real timer or socket (only virtual time passes here).
      0 tasks and 1 events have run. No packets were sent."
    `)
    expect(released).toBe(true)
  })

  it("is reported as a livelock when fibers run forever without sleeping", async () => {
    const stalled = await stallOf(
      SimRuntime.run(1, Effect.forever(Effect.yieldNow), { maxTasksPerInstant: 10_000 })
    )
    expect(stalled.reason).toBe("livelock")
    expect(stalled.message).toContain("10000 tasks")
  })

  it("exceeds its time limit when something repeats forever", async () => {
    const stalled = await stallOf(
      SimRuntime.run(1, Effect.forever(Effect.sleep("1 minute")), { maxVirtualMillis: 3_600_000 })
    )
    expect(stalled.reason).toBe("timeLimit")
  })

  it("rejects with the program's own failure when it has one", async () => {
    await expect(SimRuntime.runPromise(1, Effect.fail(new Error("mine")))).rejects.toThrow("mine")
  })
})
