/**
 * On a connection with claims, a stream that was reset before its preamble waited up to ten seconds for somebody to accept
 * it. So calls that were given up at once, or whose first packet was lost, used up the limit of streams.
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import { expect } from "vitest"
import { pair, readText, text } from "../api/pair.ts"
import { simulated } from "../api/World.ts"

simulated.it(
  "streams that are given up before they say what they are do not use up the limit of streams",
  (world) =>
    Effect.gen(function* () {
      const { far, near } = yield* pair(world)
      yield* far.claimStreams(text("MINE"), (stream) => stream.write(text("got it")))
      const before = yield* Clock.currentTimeMillis
      for (let i = 0; i < 500; i++) {
        const giveUp = Effect.flatMap(near.openBidi, (stream) =>
          Effect.andThen(i % 2 === 0 ? Effect.void : stream.write(text("MI")), stream.reset(1))
        )
        yield* Effect.scoped(giveUp)
      }
      const stream = yield* near.openBidi
      yield* stream.write(text("MINE"))
      expect(yield* readText(stream)).toBe("got it")
      expect((yield* Clock.currentTimeMillis) - before).toBeLessThan(5_000)
    })
)
