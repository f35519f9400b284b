import * as Effect from "effect/Effect"
import { describe, expect } from "vitest"
import { itSim } from "../sim/itSim.ts"
import { scenarios, survive } from "./survival.ts"

/** The tool beside takes 10 MB. */
const size = 1_500_000

describe("a transfer survives", () => {
  for (const scenario of scenarios)
    itSim(`${scenario.name}: ${scenario.client} > ${scenario.server}`, () =>
      Effect.gen(function* () {
        const { gapMillis } = yield* survive(scenario, size)
        expect(gapMillis).toBeLessThanOrEqual(scenario.gapMillis)
      })
    )
})
