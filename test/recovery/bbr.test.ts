import fc from "fast-check"
import { describe, expect, it } from "vitest"
import type { BbrState } from "../../src/recovery/BbrStates.ts"
import { BbrV3 } from "../../src/recovery/BbrV3.ts"
import { DeliveryRate } from "../../src/recovery/DeliveryRate.ts"
import { CongestionFeedback } from "../../src/recovery/CongestionFeedback.ts"
import { SentPacket } from "../../src/recovery/SentPacket.ts"
import { WindowedMax } from "../../src/recovery/WindowedMax.ts"
import { Space } from "../../src/wire/PacketType.ts"
import { ackOf, confirmed, millis, send } from "./support.ts"
import { type LinkOptions, SimulatedLink } from "./simulatedLink.ts"

const seconds = 1_000_000

/** 20 Mbit/s, RTT 40 ms, a queue of three bandwidth-delay products. */
class BbrLink extends SimulatedLink {
  readonly states: Array<{ atMicros: number; state: BbrState }> = []
  readonly bbr: BbrV3

  constructor(overrides: Partial<LinkOptions> = {}) {
    super({
      congestion: (size) => new BbrV3(size),
      megabitsPerSecond: 20,
      roundTripMillis: 40,
      queueBytes: 300_000,
      timerMicros: 1000,
      ...overrides
    })
    this.bbr = this.recovery.congestion as BbrV3
  }

  /** Runs in steps of a millisecond and records the states visited. */
  watch(untilMicros: number): this {
    for (let at = this.nowMicros; at < untilMicros; at += millis) {
      this.run(Math.min(at + millis, untilMicros))
      if (this.states.at(-1)?.state !== this.bbr.state)
        this.states.push({ atMicros: at, state: this.bbr.state })
    }
    return this
  }

  get visited(): Array<BbrState> {
    return this.states.map(({ state }) => state)
  }
}

const linkRate = 2.5 // bytes per microsecond at 20 Mbit/s
const bdp = linkRate * 40 * millis

describe("delivery rate (draft-ietf-ccwg-bbr §4.1)", () => {
  const sendAt = (rate: DeliveryRate, inFlight: number, at: number): SentPacket => {
    const packet = new SentPacket()
    packet.size = 1000
    packet.inFlight = true
    packet.timeSentMicros = at
    rate.onPacketSent(packet, inFlight, at)
    return packet
  }
  const ack = (rate: DeliveryRate, at: number, ...packets: ReadonlyArray<SentPacket>): void => {
    const feedback = new CongestionFeedback()
    feedback.clear(at)
    for (const packet of packets) feedback.acked.push(packet)
    feedback.ackedBytes = 1000 * packets.length
    rate.onAcked(feedback, 0)
    feedback.clear(at)
  }

  it("is what was delivered during a packet's flight divided by its duration", () => {
    const rate = new DeliveryRate()
    const packets = [0, 100, 200, 300].map((at, i) => sendAt(rate, i * 1000, at))
    ack(rate, 1000, packets[0], packets[1])
    expect(rate.rate).toBe(2000 / 1000)
    const next = sendAt(rate, 2000, 1000)
    ack(rate, 1200, packets[2], packets[3])
    ack(rate, 2000, next)
    expect(rate.sampleDelivered).toBe(3000)
    expect(rate.rate).toBe(3000 / 1000)
  })

  it("never exceeds the send rate, however compressed the ACKs are", () => {
    const rate = new DeliveryRate()
    const first = sendAt(rate, 0, 0)
    ack(rate, 1000, first)
    const packets = [1000, 2000, 3000, 4000].map((at, i) => sendAt(rate, i * 1000, at))
    ack(rate, 4500, packets[0])
    ack(rate, 4501, packets[1])
    ack(rate, 4502, packets[2])
    ack(rate, 4503, packets[3])
    expect(rate.rate).toBeLessThanOrEqual(4000 / 3000)
  })

  it("is marked application-limited for as long as the gap is in flight", () => {
    const rate = new DeliveryRate()
    const before = sendAt(rate, 0, 0)
    rate.markAppLimited(1000)
    const after = sendAt(rate, 1000, 10)
    ack(rate, 1000, before)
    expect(rate.isAppLimited).toBe(false)
    const last = sendAt(rate, 1000, 1000)
    ack(rate, 1010, after)
    expect(rate.isAppLimited).toBe(true)
    const free = sendAt(rate, 1000, 1010)
    ack(rate, 2000, last)
    expect(rate.isAppLimited).toBe(true)
    ack(rate, 2010, free)
    expect(rate.isAppLimited).toBe(false)
  })

  it("ignores intervals shorter than the least round trip", () => {
    const rate = new DeliveryRate()
    const packet = sendAt(rate, 0, 0)
    const feedback = new CongestionFeedback()
    feedback.clear(10)
    feedback.acked.push(packet)
    rate.onAcked(feedback, 100)
    feedback.clear(10)
    expect(rate.rate).toBe(0)
    expect(rate.delivered).toBe(1000)
  })
})

describe("a windowed maximum", () => {
  it("is at least the newest value, and never from before the window", () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.nat(100), fc.nat(4))), (steps) => {
        const filter = new WindowedMax()
        const history: Array<[number, number]> = []
        let time = 0
        for (const [value, pause] of steps) {
          time += pause
          history.push([time, value])
          filter.update(value, time, 10)
          const window = history.filter(([at]) => time - at <= 10).map((entry) => entry[1])
          expect(filter.best).toBeGreaterThanOrEqual(value)
          expect(filter.best).toBeLessThanOrEqual(Math.max(...window))
        }
      })
    )
  })
})

describe("BBR on a simulated link (draft-ietf-ccwg-bbr Appendix A)", () => {
  it("leaves Startup when the rate no longer grows, knowing the bandwidth within two percent", () => {
    const link = new BbrLink().watch(2 * seconds)
    expect(link.visited.slice(0, 2)).toEqual(["startup", "drain"])
    expect(link.states[1].atMicros).toBeLessThan(1 * seconds)
    expect(link.bbr.model.maxBandwidth / linkRate).toBeGreaterThan(0.98)
    expect(link.bbr.model.maxBandwidth / linkRate).toBeLessThan(1.02)
    expect(link.bbr.model.minRttMicros).toBeLessThan(42 * millis)
    expect(link.droppedPackets).toBe(0)
  })

  it("leaves Startup because of losses when the queue is short", () => {
    const link = new BbrLink({ queueBytes: 12_000 }).watch(1 * seconds)
    expect(link.visited.slice(0, 2)).toEqual(["startup", "drain"])
    expect(link.bbr.losses.inflightLongTerm).toBeLessThan(3 * bdp)
  })

  it("goes round down, cruise, refill and up", () => {
    const link = new BbrLink().watch(12 * seconds)
    const { visited } = link
    expect(visited.filter((state) => state === "up").length).toBeGreaterThanOrEqual(3)
    for (let i = 2; i < visited.length; i++) {
      const before = visited[i - 1]
      // DOWN can end within the millisecond it starts in, when the queue is empty.
      if (visited[i] === "up") expect(before).toBe("refill")
      if (visited[i] === "refill") expect(["cruise", "down"]).toContain(before)
      if (before === "up") expect(["down", "cruise", "probeRtt"]).toContain(visited[i])
    }
  })

  it("fills the link and keeps the queue all but empty", () => {
    const link = new BbrLink().run(3 * seconds)
    const delivered = link.deliveredBytes
    let queued = 0
    let samples = 0
    for (let at = 3 * seconds; at < 23 * seconds; at += 10 * millis) {
      link.run(at)
      queued += link.recovery.rtt.latestMicros - 40 * millis
      samples++
    }
    expect(link.utilization(delivered, 3 * seconds)).toBeGreaterThan(0.94)
    expect(queued / samples).toBeLessThan(8 * millis)
    expect(link.droppedPackets).toBe(0)
  })

  it("probes for the delay every five seconds, for 200 ms", () => {
    const link = new BbrLink().watch(20 * seconds)
    const probes = link.states.filter(({ state }) => state === "probeRtt")
    expect(probes.length).toBeGreaterThanOrEqual(2)
    expect(probes.length).toBeLessThanOrEqual(4)
    for (const { atMicros } of probes) {
      const end = link.states.find((entry) => entry.atMicros > atMicros)
      if (end === undefined) continue
      expect(end.state).toBe("cruise")
      expect(end.atMicros - atMicros).toBeGreaterThanOrEqual(200 * millis)
      expect(end.atMicros - atMicros).toBeLessThan(500 * millis)
    }
    expect(link.bbr.model.minRttMicros).toBeLessThan(43 * millis)
  })

  it("needs no delay probe after an idle period", () => {
    const link = new BbrLink({ available: (now) => (now < 2 * seconds || now > 9 * seconds ? 1e9 : 0) })
    link.watch(2 * seconds)
    const before = link.visited.length
    link.watch(10 * seconds)
    expect(link.visited.slice(before)).not.toContain("probeRtt")
  })

  it("keeps its estimate while the application sends little", () => {
    const link = new BbrLink({
      available: (now) => (now < 2 * seconds ? 1e9 : 2 * seconds * linkRate + (now - 2 * seconds) * 0.1)
    })
    link.run(10 * seconds)
    expect(link.bbr.model.maxBandwidth / linkRate).toBeGreaterThan(0.98)
  })

  it("never leaves Startup while application-limited without losses", () => {
    const link = new BbrLink({ available: (now) => now * 0.1 }).watch(10 * seconds)
    expect(new Set(link.visited)).toEqual(new Set(["startup", "probeRtt"]))
    expect(link.bbr.model.fullPipe.wasReached).toBe(false)
  })

  it("adapts to ten times the bandwidth within seconds", () => {
    const link = new BbrLink({ megabitsPerSecond: 10, queueBytes: 500_000 }).run(5 * seconds)
    link.setMegabitsPerSecond(100)
    link.run(17 * seconds)
    const delivered = link.deliveredBytes
    link.run(22 * seconds)
    expect(link.utilization(delivered, 17 * seconds)).toBeGreaterThan(0.9)
  })

  it("adapts to a tenth of the bandwidth", () => {
    const link = new BbrLink({ megabitsPerSecond: 100, queueBytes: 200_000 }).run(5 * seconds)
    link.setMegabitsPerSecond(10)
    link.run(15 * seconds)
    // Two probing cycles have passed.
    expect(link.bbr.model.maxBandwidth).toBeLessThan(1.25 * 1.1)
    const lost = link.droppedPackets
    link.run(25 * seconds)
    expect(link.droppedPackets - lost).toBeLessThan(0.02 * ((10 * seconds * 1.25) / 1200))
  })

  it("keeps four datagrams in flight where the path holds less than one", () => {
    const link = new BbrLink({ megabitsPerSecond: 0.5, roundTripMillis: 5, queueBytes: 30_000 }).run(
      20 * seconds
    )
    expect(link.recovery.congestionWindow).toBeGreaterThanOrEqual(4 * 1200)
    expect(link.utilization()).toBeGreaterThan(0.9)
  })

  it("keeps its rate under random loss that cripples loss-based control", () => {
    const link = new BbrLink({ loss: 0.01 }).run(30 * seconds)
    expect(link.utilization()).toBeGreaterThan(0.7)
    expect(link.recovery.counters.packetsLost).toBeLessThanOrEqual(link.droppedPackets)
  })

  it("recovers from an outage", () => {
    const link = new BbrLink({ drop: (_, now) => now > 3 * seconds && now < 6 * seconds }).run(12 * seconds)
    const delivered = link.deliveredBytes
    link.run(20 * seconds)
    expect(link.recovery.counters.persistentCongestions).toBe(1)
    expect(link.utilization(delivered, 12 * seconds)).toBeGreaterThan(0.9)
  })
})

describe("BBR's events", () => {
  const app = Space.Application
  const started = () => {
    const recovery = confirmed({ congestion: (size) => new BbrV3(size) })
    return { recovery, bbr: recovery.congestion as BbrV3 }
  }

  it("paces by the first RTT sample, at Startup's gain", () => {
    const { recovery } = started()
    for (let i = 0; i < 10; i++) send(recovery, 0)
    recovery.onAck(app, ackOf([0, 0]), 0, 100 * millis)
    expect(recovery.pacingRate).toBeCloseTo((2.77 * 12_000) / (100 * millis))
  })

  it("treats a CE mark in Startup as the end of Startup", () => {
    const { recovery, bbr } = started()
    for (let i = 0; i < 10; i++) send(recovery, 0)
    recovery.onAck(app, ackOf([0, 9]), 0, 100 * millis)
    recovery.onEcnCongestion(100 * millis)
    expect(bbr.state).toBe("drain")
    expect(recovery.counters.congestionEvents).toBe(1)
  })

  it("goes back to Startup when the losses that ended it were spurious", () => {
    const { recovery, bbr } = started()
    let at = 0
    for (let round = 0; round < 3; round++, at += 100 * millis) {
      const first = recovery.nextPacketNumber(app)
      while (recovery.bytesInFlight + 1200 <= recovery.congestionWindow) send(recovery, at)
      recovery.onAck(app, ackOf([first, recovery.nextPacketNumber(app) - 1]), 0, at + 100 * millis)
    }
    // Every second packet overtaken by a round trip: a loss rate that ends Startup.
    const first = recovery.nextPacketNumber(app)
    for (let i = 0; i < 60; i++) send(recovery, at)
    const odd: Array<[number, number]> = []
    for (let i = 59; i > 0; i -= 2) odd.push([first + i, first + i])
    recovery.onAck(app, ackOf(...odd), 0, at + 100 * millis)
    const next = recovery.nextPacketNumber(app)
    for (let i = 0; i < 20; i++) send(recovery, at + 100 * millis + i)
    recovery.onAck(app, ackOf([next + 19, next + 19]), 0, at + 200 * millis)
    expect(bbr.state).not.toBe("startup")
    recovery.onAck(app, ackOf([first, next + 19]), 0, at + 201 * millis)
    expect(recovery.counters.spuriousLosses).toBeGreaterThan(0)
    expect(bbr.state).toBe("startup")
  })
})
