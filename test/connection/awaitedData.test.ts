/** When a client asks for data that it awaits, and that it is silent otherwise. */
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import { describe, expect } from "vitest"
import { pair, readText, text } from "../api/pair.ts"
import { simulated } from "../api/World.ts"

/** The times at which `count` changed, in milliseconds, sampled for `millis`. */
const changesOf = Effect.fnUntraced(function* (count: () => number, millis: number) {
  const times: Array<number> = []
  for (let now = 0, before = count(); now < millis; now += 50) {
    yield* Effect.sleep(50)
    if (count() !== before) times.push(now)
    before = count()
  }
  return times
})

describe("a client whose answer does not come", () => {
  simulated.it("asks after half a second, ever less often, and at least every 15 seconds", (world) =>
    Effect.gen(function* () {
      const { near, far } = yield* pair(world)
      const stream = yield* near.openBidi
      yield* stream.write(text("what is the answer?"))
      const question = yield* far.acceptBidi
      yield* question.read()
      yield* Effect.sleep(200)
      const answer = yield* Effect.forkScoped(readText(stream))
      const asked = yield* changesOf(() => near.stats.datagramsSent, 62_000)
      expect(asked.map((millis) => Math.floor(millis / 1_000))).toEqual([0, 1, 3, 7, 15, 30, 45, 60])
      yield* question.write(text("42"))
      yield* question.finish
      expect(yield* Fiber.join(answer)).toBe("42")
    })
  )

  simulated.it(
    "asks also when its fiber waits again and again, each time for less than half a second",
    (world) =>
      Effect.gen(function* () {
        const { near, far } = yield* pair(world)
        const stream = yield* near.openBidi
        yield* stream.write(text("?"))
        yield* far.acceptBidi
        yield* Effect.sleep(200)
        yield* Effect.forkScoped(Effect.forever(Effect.timeoutOption(stream.read(), 100)))
        const asked = yield* changesOf(() => near.stats.datagramsSent, 20_000)
        expect(asked.map((millis) => Math.floor(millis / 1_000))).toEqual([0, 1, 3, 7, 15])
      })
  )

  simulated.it("is as impatient as ever with the next answer", (world) =>
    Effect.gen(function* () {
      const { near, far } = yield* pair(world)
      yield* Effect.forkScoped(near.acceptUni)
      yield* Effect.sleep("50 seconds")
      const stream = yield* near.openBidi
      yield* stream.write(text("?"))
      yield* far.acceptBidi
      yield* Effect.forkScoped(stream.read())
      yield* Effect.sleep(200)
      const asked = yield* changesOf(() => near.stats.datagramsSent, 2_000)
      expect(asked.map((millis) => Math.floor(millis / 1_000))).toEqual([0, 1])
    })
  )

  simulated.it("stays connected in spite of a shorter idle timeout", (world) =>
    Effect.gen(function* () {
      const { near, far } = yield* pair(world, { client: { transport: { maxIdleTimeout: 3_000 } } })
      const stream = yield* near.openBidi
      yield* stream.write(text("?"))
      const question = yield* far.acceptBidi
      const answer = yield* Effect.forkScoped(readText(stream))
      yield* Effect.sleep("1 minute")
      yield* question.write(text("!"))
      yield* question.finish
      expect(yield* Fiber.join(answer)).toBe("!")
    })
  )

  simulated.it("finds out about a server that is gone in no more than the idle timeout", (world) =>
    Effect.gen(function* () {
      const { near } = yield* pair(world, { client: { transport: { maxIdleTimeout: 10_000 } } })
      yield* Effect.sleep("5 seconds")
      const waiting = yield* Effect.forkScoped(Effect.flip(near.acceptUni))
      world.cable!.forward.overlay({ up: false })
      // the first PING restarts the idle timer, no other does
      yield* Effect.sleep("10900 millis")
      expect((yield* Fiber.join(waiting)).reason._tag).toBe("IdleTimeout")
    })
  )
})

describe("a connection on which nobody waits", () => {
  simulated.it("is silent, and so is one on which only the server waits", (world) =>
    Effect.gen(function* () {
      const { near, far } = yield* pair(world)
      yield* Effect.sleep("1 second")
      const before = near.stats.datagramsSent + far.stats.datagramsSent
      yield* Effect.sleep("20 seconds")
      yield* Effect.forkScoped(far.acceptBidi)
      yield* Effect.sleep("20 seconds")
      expect(near.stats.datagramsSent + far.stats.datagramsSent).toBe(before)
    })
  )

  simulated.it("is silent again when the one who waited gives up", (world) =>
    Effect.gen(function* () {
      const { near, far } = yield* pair(world)
      const stream = yield* near.openBidi
      yield* stream.write(text("?"))
      yield* Effect.timeoutOption(stream.read(), "2 seconds")
      yield* Effect.timeoutOption(near.acceptUni, "2 seconds")
      yield* Effect.sleep("1 second")
      const before = near.stats.datagramsSent + far.stats.datagramsSent
      yield* Effect.sleep("40 seconds")
      expect(near.stats.datagramsSent + far.stats.datagramsSent).toBe(before)
    })
  )
})
