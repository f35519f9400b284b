import * as Effect from "effect/Effect"
import { describe, expect } from "vitest"
import { itSim } from "../sim/itSim.ts"
import { cells } from "./matrix.ts"
import { measureCell, patienceFor } from "./peers.ts"
import { simulatedPeers } from "./simulatedCell.ts"
import { whyWrong } from "./verdict.ts"

describe("the NAT matrix, simulated", () => {
  for (const { client, server, expected } of cells) {
    const name = `${client} > ${server}`
    itSim(
      `${name}: ${expected}`,
      () =>
        Effect.gen(function* () {
          const world = yield* simulatedPeers({ client, server })
          const { figures } = yield* measureCell(world.endpoint, world.ticket, patienceFor(expected))
          expect(whyWrong(figures, expected)).toBeUndefined()
        }),
      { maxVirtualMillis: 180_000 }
    )
  }
})
