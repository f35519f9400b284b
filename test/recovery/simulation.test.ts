import { describe, expect, it } from "vitest"
import { congestionControllers } from "../../src/recovery/congestionControllers.ts"
import { initialWindow } from "../../src/recovery/CongestionController.ts"
import { millis } from "./support.ts"
import { type LinkOptions, SimulatedLink } from "./simulatedLink.ts"

const seconds = 1_000_000
type Overrides = Partial<LinkOptions>

/** 20 Mbit/s, RTT 40 ms, a queue of one bandwidth-delay product, timers like Node's. */
const link = (overrides: Overrides): SimulatedLink =>
  new SimulatedLink({
    congestion: congestionControllers.cubic,
    megabitsPerSecond: 20,
    roundTripMillis: 40,
    timerMicros: 1000,
    ...overrides
  })

/** Link utilization between two moments. */
const utilizationBetween = (simulated: SimulatedLink, fromMicros: number, toMicros: number): number => {
  simulated.run(fromMicros)
  const delivered = simulated.deliveredBytes
  simulated.run(toMicros)
  return simulated.utilization(delivered, fromMicros)
}

const lossBased = [
  ["CUBIC", congestionControllers.cubic],
  ["NewReno", congestionControllers.newReno]
] as const

describe.each(lossBased)("%s on a simulated link", (name, congestion) => {
  // RFC 9002 §7.8 #S2
  it("fills it", () => {
    expect(utilizationBetween(link({ congestion }), 2 * seconds, 12 * seconds)).toBeGreaterThan(0.98)
  })

  it("fills most of it with a queue of a quarter of the bandwidth-delay product", () => {
    const simulated = link({ congestion, queueBytes: 25_000 })
    expect(utilizationBetween(simulated, 5 * seconds, 40 * seconds)).toBeGreaterThan(
      name === "CUBIC" ? 0.9 : 0.8
    )
  })

  it("fills a gigabit within the granularity of Node's timers", () => {
    const simulated = link({ congestion, megabitsPerSecond: 1000, roundTripMillis: 5 })
    expect(utilizationBetween(simulated, 1 * seconds, 2 * seconds)).toBeGreaterThan(0.95)
  })

  it("loses little in steady state", () => {
    const simulated = link({ congestion }).run(5 * seconds)
    const { packetsLost, packetsSent } = simulated.recovery.counters
    simulated.run(30 * seconds)
    const { counters } = simulated.recovery
    expect((counters.packetsLost - packetsLost) / (counters.packetsSent - packetsSent)).toBeLessThan(0.005)
    expect(counters.probeTimeouts).toBe(0)
  })

  it("tolerates light reordering and declares nothing lost that was not dropped", () => {
    const simulated = link({ congestion }).run(20 * seconds)
    expect(simulated.recovery.counters.packetsLost).toBeLessThanOrEqual(simulated.droppedPackets)
    expect(simulated.recovery.counters.spuriousLosses).toBe(0)
  })

  it("recovers the tail of a flight by a probe timeout, without declaring persistent congestion", () => {
    const total = 10 * 1200
    const simulated = link({
      congestion,
      available: () => total,
      drop: (number, now) => number >= 7 && now < 100 * millis
    })
    simulated.run(1 * seconds)
    const { counters } = simulated.recovery
    expect(simulated.sentBytes).toBeGreaterThan(total)
    expect(counters.probeTimeouts).toBe(1)
    expect(counters.packetsLost).toBe(3)
    expect(counters.persistentCongestions).toBe(0)
    expect(simulated.recovery.bytesInFlight).toBe(0)
  })

  it("collapses when the link goes down, and fills it again when it is back", () => {
    const simulated = link({ congestion, drop: (_, now) => now > 3 * seconds && now < 6 * seconds })
    simulated.run(3 * seconds)
    const window = simulated.recovery.congestionWindow
    simulated.run(9 * seconds)
    expect(simulated.recovery.counters.persistentCongestions).toBe(1)
    const afterwards = simulated.windows.filter(({ atMicros }) => atMicros > 6 * seconds)
    expect(Math.min(...afterwards.map((sample) => sample.window))).toBeLessThan(window / 10)
    expect(utilizationBetween(simulated, 12 * seconds, 20 * seconds)).toBeGreaterThan(0.95)
  })

  it("does not grow its window for an application that sends little", () => {
    const rate = 1 / 8 // 1 Mbit/s of 20
    const simulated = link({ congestion, available: (now) => rate * now }).run(20 * seconds)
    expect(simulated.droppedPackets).toBe(0)
    expect(simulated.recovery.congestionWindow).toBeLessThanOrEqual(2 * initialWindow(1200))
    expect(simulated.deliveredBytes).toBeGreaterThan(0.98 * rate * 20 * seconds - 20 * 1200)
  })

  it("survives heavy random loss", () => {
    const simulated = link({ congestion, loss: 0.1 }).run(30 * seconds)
    const { counters } = simulated.recovery
    expect(simulated.deliveredBytes).toBeGreaterThan(30 * 12_000)
    expect(counters.persistentCongestions).toBe(0)
    expect(counters.packetsLost).toBeLessThanOrEqual(simulated.droppedPackets)
  })
})

describe("HyStart++ on a simulated link (RFC 9406)", () => {
  it("leaves slow start with a fraction of the losses that slow start has without it", () => {
    const withHyStart = link({ queueBytes: 4 * 100_000 }).run(3 * seconds)
    const without = link({ queueBytes: 4 * 100_000, congestion: congestionControllers.newReno }).run(
      3 * seconds
    )
    expect(withHyStart.droppedPackets).toBeLessThan(without.droppedPackets / 3)
  })

  it("loses nothing where the queue is deep", () => {
    const simulated = link({ queueBytes: 12 * 100_000 }).run(2 * seconds)
    expect(simulated.droppedPackets).toBe(0)
    expect(simulated.recovery.congestion.slowStartThreshold).toBeLessThan(Number.POSITIVE_INFINITY)
    expect(simulated.utilization()).toBeGreaterThan(0.85)
  })

  it("does not leave slow start early on a long path without a queue", () => {
    const simulated = link({ megabitsPerSecond: 1000, roundTripMillis: 100, queueBytes: 1e9 })
    simulated.run(900 * millis)
    expect(simulated.recovery.congestion.slowStartThreshold).toBe(Number.POSITIVE_INFINITY)
    expect(simulated.recovery.congestionWindow).toBeGreaterThan(initialWindow(1200) * 2 ** 7)
  })
})

describe("pacing on a simulated link", () => {
  const mostWithin = (departures: ReadonlyArray<number>, micros: number): number => {
    let most = 0
    let from = 0
    for (let to = 0; to < departures.length; to++) {
      while (departures[to] - departures[from] >= micros) from++
      most = Math.max(most, to - from + 1)
    }
    return most
  }

  it("never sends more than a burst plus what the rate allows", () => {
    const simulated = link({ timerMicros: 1 }).run(10 * seconds)
    // 20 Mbit/s is 83 packets in 40 ms; slow start paces at up to twice a window that overshoots.
    expect(mostWithin(simulated.departures.slice(0, 10), 1)).toBe(10)
    const steady = simulated.departures.filter((at) => at > 3 * seconds)
    expect(mostWithin(steady, 1 * millis)).toBeLessThanOrEqual(14)
  })

  it("spreads the window over a round trip instead of sending it at once", () => {
    const simulated = link({ roundTripMillis: 200, megabitsPerSecond: 10, timerMicros: 1 }).run(10 * seconds)
    const steady = simulated.departures.filter((at) => at > 5 * seconds)
    const window = simulated.recovery.congestionWindow / 1200
    expect(window).toBeGreaterThan(100)
    expect(mostWithin(steady, 20 * millis)).toBeLessThan(window / 4)
  })
})
