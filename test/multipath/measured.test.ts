/** Paths of unlike delay and quality: what they carry together, how far data arrives out of order, how long a new one is. */
import * as Effect from "effect/Effect"
import { describe, expect } from "vitest"
import { itSim } from "../sim/itSim.ts"
import { MOBILE, twoLinks, upload } from "./twoLinks.ts"

const MEGABYTE = 1_000_000
/** What of a full packet is data: 28 bytes are IP and UDP, 35 are QUIC. */
const DATA_SHARE = (1480 - 28 - 35) / 1480
const queueOf = (bitsPerSecond: number, rttMillis: number) => (bitsPerSecond * rttMillis) / 8000
const link = (bitsPerSecond: number, rttMillis: number) => ({
  bitsPerSecond,
  delayMillis: rttMillis / 2,
  queueBytes: queueOf(bitsPerSecond, rttMillis)
})

describe("a stream over links of unlike delay", () => {
  itSim("fills both; the receiver says how much it had to put in order", () =>
    Effect.gen(function* () {
      const ends = yield* twoLinks({ wifi: link(50e6, 20), mobile: link(20e6, 60) })
      yield* ends.connection.openPath({ local: { host: MOBILE } })
      yield* upload(ends, 15 * MEGABYTE)
      const { bitsPerSecond } = yield* upload(ends, 30 * MEGABYTE)
      expect(bitsPerSecond).toBeGreaterThan(0.98 * DATA_SHARE * 70e6)
      const { reorderBytes, maxReorderBytes } = ends.accepted[0].stats
      expect(reorderBytes).toBe(0)
      // what the faster link brings while the slower one is 40 ms and its queue behind
      expect(maxReorderBytes).toBeGreaterThan(0.04 * (50e6 / 8))
      expect(maxReorderBytes).toBeLessThan(2 * MEGABYTE)
    })
  )
})

describe("a link that loses three packets in ten", () => {
  itSim("takes nothing from a clean one beside it", () =>
    Effect.gen(function* () {
      const ends = yield* twoLinks({ wifi: link(50e6, 20), mobile: link(20e6, 60) })
      yield* upload(ends, 5 * MEGABYTE)
      const clean = yield* upload(ends, 30 * MEGABYTE)
      yield* ends.connection.openPath({ local: { host: MOBILE } })
      ends.links.mobile.set({ lossRate: 0.3 })
      yield* upload(ends, 5 * MEGABYTE)
      const both = yield* upload(ends, 30 * MEGABYTE)
      expect(both.bitsPerSecond).toBeGreaterThan(0.97 * clean.bitsPerSecond)
    })
  )
})

describe("a path that was just opened", () => {
  itSim("is taken to be as long as its challenge took, not a third of a second", () =>
    Effect.gen(function* () {
      const ends = yield* twoLinks({ wifi: { delayMillis: 10 }, mobile: { delayMillis: 30 } })
      const mobile = yield* ends.connection.openPath({ local: { host: MOBILE } })
      expect(mobile.info.smoothedRttMillis).toBeCloseTo(60, -1)
    })
  )
})
