/** D7: what either side may hold follows from the slowest path: with the defaults, no buffer limits the sum. */
import * as Effect from "effect/Effect"
import { describe, expect } from "vitest"
import { itSim } from "../sim/itSim.ts"
import { MOBILE, twoLinks, upload } from "./twoLinks.ts"

const MEGABYTE = 1_000_000
/** What of a full packet is data: 28 bytes are IP and UDP, 35 are QUIC. */
const DATA_SHARE = (1480 - 28 - 35) / 1480
const fast = { bitsPerSecond: 50e6, delayMillis: 10, queueBytes: 125_000 }

describe("D7: buffers", () => {
  itSim("let a path of ten times the round-trip time add to the sum, not take from it", () =>
    Effect.gen(function* () {
      const slow = { bitsPerSecond: 10e6, delayMillis: 100, queueBytes: 250_000 }
      const ends = yield* twoLinks({ wifi: fast, mobile: slow, transport: { maxPaths: 2 } })
      yield* ends.connection.openPath({ local: { host: MOBILE } })
      yield* upload(ends, 10 * MEGABYTE)
      const { bitsPerSecond } = yield* upload(ends, 10 * MEGABYTE)
      expect(bitsPerSecond).toBeGreaterThan(0.9 * DATA_SHARE * 60e6)
    })
  )

  itSim("let one stream fill one path that carries more than a megabyte at once", () =>
    Effect.gen(function* () {
      const far = { bitsPerSecond: 100e6, delayMillis: 100, queueBytes: 2_500_000 }
      const ends = yield* twoLinks({ wifi: far })
      yield* upload(ends, 10 * MEGABYTE)
      const { bitsPerSecond } = yield* upload(ends, 20 * MEGABYTE)
      expect(bitsPerSecond).toBeGreaterThan(0.55 * DATA_SHARE * 100e6)
    })
  )
})
