/** What flows of different congestion controllers leave one another of a link. */
import * as Effect from "effect/Effect"
import { describe, expect } from "vitest"
import { shares } from "../multipath/sharedBottleneck.ts"
import { itSim } from "../sim/itSim.ts"

describe("a flow with bbr", () => {
  for (const queue of [0.5, 1])
    itSim(`leaves one with cubic its part, at a queue of ${queue} bandwidth-delay products`, () =>
      Effect.gen(function* () {
        const flows = [
          { congestion: "cubic", paths: 1 },
          { congestion: "bbr", paths: 1 }
        ] as const
        const [cubic, bbr] = yield* shares(
          flows,
          { megabits: 20, rttMillis: 40, queue },
          { before: 5, measured: 8 }
        )
        expect(cubic).toBeGreaterThan(20 / 4)
        expect(cubic + bbr).toBeGreaterThan(0.9 * 20)
      })
    )
})
