/** PTB spoofing, in the simulator. */
import * as Effect from "effect/Effect"
import { describe, expect } from "vitest"
import { itSim } from "../sim/itSim.ts"
import { lied } from "./forgedTooBig.ts"

const families = {
  IPv4: { addresses: ["10.0.0.1", "10.0.0.2"], largest: 1452 },
  IPv6: { addresses: ["fd00::1", "fd00::2"], largest: 1452 }
} as const

describe("PTB spoofing below 1200 (CVE-2024-53259)", () => {
  for (const [family, { addresses, largest }] of Object.entries(families)) {
    itSim(`${family}: datagrams keep their size and go on, however small an MTU is claimed`, () =>
      Effect.gen(function* () {
        const { smallest, millis } = yield* lied(addresses, [68, 296, 552, 576, 1_000, 1_199, 1_227])
        expect(smallest).toBe(largest)
        expect(millis).toBeLessThan(1_000)
      })
    )

    itSim(`${family}: a claim that may be true leaves 1200 bytes, and the connection goes on`, () =>
      Effect.gen(function* () {
        const { smallest, millis } = yield* lied(addresses, [1_280])
        expect(smallest).toBeGreaterThanOrEqual(1_200)
        expect(millis).toBeLessThan(2_000)
      })
    )

    itSim(`${family}: claims about packets that were not sent change nothing`, () =>
      Effect.gen(function* () {
        const { smallest, millis } = yield* lied(addresses, [68, 1_199, 1_280, 1_400], 1)
        expect(smallest).toBe(largest)
        expect(millis).toBeLessThan(1_000)
      })
    )
  }
})
