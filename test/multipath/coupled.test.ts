/** Coupled congestion control: two paths through one bottleneck are one flow, over two they are still two. RFC 6356 */
import * as Effect from "effect/Effect"
import { describe, expect, it } from "vitest"
import { type CoupledPath, coupledGrowth } from "../../src/recovery/coupledGrowth.ts"
import { itSim } from "../sim/itSim.ts"
import { type Flow, shares } from "./sharedBottleneck.ts"
import { MOBILE, twoLinks, upload } from "./twoLinks.ts"

const MEGABYTE = 1_000_000
/** What of a full packet is data: 28 bytes are IP and UDP, 35 are QUIC. */
const DATA_SHARE = (1480 - 28 - 35) / 1480

/** The part that a flow over two paths takes beside one over one path. */
const partOfTwo = (congestion: Flow["congestion"]) =>
  Effect.gen(function* () {
    const flows = [
      { congestion, paths: 2 },
      { congestion: "newReno", paths: 1 }
    ] as const
    const bottleneck = { megabits: 10, rttMillis: 40, queue: 1 }
    const [two, one] = yield* shares(flows, bottleneck, { before: 5, measured: 25 })
    expect(two + one).toBeGreaterThan(0.9 * DATA_SHARE * 10)
    return two / (two + one)
  })

describe("two paths through one bottleneck", () => {
  itSim("take as much as another connection if they are coupled", () =>
    Effect.gen(function* () {
      expect(yield* partOfTwo("lia")).toBeLessThan(0.56)
    })
  )

  itSim("take as much as two if they are not", () =>
    Effect.gen(function* () {
      expect(yield* partOfTwo("newReno")).toBeGreaterThan(0.6)
    })
  )
})

describe("two paths of which each has its own", () => {
  itSim("carry more together than the better one, though they are coupled", () =>
    Effect.gen(function* () {
      const ends = yield* twoLinks({
        wifi: { bitsPerSecond: 50e6, delayMillis: 10, queueBytes: 125_000 },
        mobile: { bitsPerSecond: 20e6, delayMillis: 30, queueBytes: 150_000 },
        transport: { maxPaths: 2, congestion: "lia" }
      })
      yield* ends.connection.openPath({ local: { host: MOBILE } })
      const { bitsPerSecond } = yield* upload(ends, 40 * MEGABYTE)
      expect(bitsPerSecond).toBeGreaterThan(1.2 * DATA_SHARE * 50e6)
    })
  )
})

describe("the growth that each path is allowed", () => {
  const path = (congestionWindow: number, smoothedMicros: number, carries = true): CoupledPath => ({
    status: { carries },
    recovery: { congestionWindow, rtt: { smoothedMicros } }
  })

  it("is a datagram per window for one path, a quarter of that for each of two like it", () => {
    expect(coupledGrowth([path(10_000, 20_000)])).toBeCloseTo(1 / 10_000, 9)
    // (w / r²) / (2 w / r)² = 1 / 4 w
    expect(coupledGrowth([path(10_000, 20_000), path(10_000, 20_000)])).toBeCloseTo(1 / 40_000, 9)
  })

  it("is that of the best path, where others hardly count, and asks only those that carry data", () => {
    expect(coupledGrowth([path(10_000, 20_000), path(1, 500_000)])).toBeCloseTo(1 / 10_000, 7)
    expect(coupledGrowth([path(10_000, 20_000), path(10_000, 20_000, false)])).toBeCloseTo(1 / 10_000, 9)
    expect(coupledGrowth([])).toBe(Number.POSITIVE_INFINITY)
  })
})
