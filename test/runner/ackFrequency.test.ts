/** Fewer ACKs without worse performance. draft-ietf-quic-ack-frequency */
import * as Effect from "effect/Effect"
import { describe, expect } from "vitest"
import { itSim } from "../sim/itSim.ts"
import { both, get, MIB, patient, stage, timed } from "./hq.ts"

describe("on a path of 100 Mbit/s and 20 ms", () => {
  for (const congestion of ["cubic", "newReno", "bbr"] as const)
    itSim(`${congestion} gets one ACK for eight packets or more, and 80 % of the rate`, () =>
      Effect.gen(function* () {
        const link = { delayMillis: 10, bitsPerSecond: 100e6, queueBytes: 250_000 }
        const { accepted, cable, connect } = yield* stage(link, both({ ...patient, congestion }))
        const near = yield* connect
        const millis = yield* timed(get(near, 20 * MIB))
        expect((20 * MIB * 8e3) / millis / 100e6).toBeGreaterThan(0.8)
        expect(cable.backward.counters.entered / cable.forward.counters.entered).toBeGreaterThan(8)
        expect(accepted[0].stats.probeTimeouts).toBe(0)
      })
    )

  itSim("a tail that is lost is repaired as soon as with many ACKs", () =>
    Effect.gen(function* () {
      const link = { delayMillis: 10, bitsPerSecond: 100e6, queueBytes: 250_000 }
      const { accepted, cable, connect } = yield* stage(link, both(patient))
      const near = yield* connect
      yield* get(near, 20 * MIB)
      // drops the whole next answer, so that nothing after it reveals its loss
      const from = cable.backward.counters.entered
      cable.backward.dropIf = (_, index) => index < from + 6
      const millis = yield* timed(get(near, 5_000))
      expect(accepted[0].stats.probeTimeouts).toBeGreaterThan(0)
      expect(millis).toBeLessThan(250)
    })
  )
})
