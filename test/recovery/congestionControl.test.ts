import { describe, expect, it } from "vitest"
import type { CongestionController } from "../../src/recovery/CongestionController.ts"
import { Cubic } from "../../src/recovery/Cubic.ts"
import { NewReno } from "../../src/recovery/NewReno.ts"
import { PathRecovery } from "../../src/recovery/PathRecovery.ts"
import { Space } from "../../src/wire/PacketType.ts"
import { ackOf, confirmed, millis, send, sendMany } from "./support.ts"

const app = Space.Application
const mss = 1200

/** Fills the window and acknowledges all of it one round trip later. */
const fullRound = (recovery: PathRecovery, startMicros: number, rttMicros = 100 * millis): void => {
  const first = recovery.nextPacketNumber(app)
  while (recovery.bytesInFlight + mss <= recovery.congestionWindow) send(recovery, startMicros)
  recovery.onAck(app, ackOf([first, recovery.nextPacketNumber(app) - 1]), 0, startMicros + rttMicros)
}

/** Loses one packet and acknowledges the others of a full window. */
const lossyRound = (recovery: PathRecovery, startMicros: number, rttMicros = 100 * millis): void => {
  const first = send(recovery, startMicros)
  while (recovery.bytesInFlight + mss <= recovery.congestionWindow) send(recovery, startMicros + 1)
  const last = recovery.nextPacketNumber(app) - 1
  recovery.onAck(app, ackOf([first + 1, last]), 0, startMicros + rttMicros)
}

const controllers: ReadonlyArray<readonly [string, (size: number) => CongestionController, number]> = [
  ["NewReno", (size) => new NewReno(size), 0.5],
  ["CUBIC", (size) => new Cubic(size), 0.7]
]

describe.each(controllers)("%s", (_, congestion, beta) => {
  it("begins with ten datagrams, at most 14720 bytes or two datagrams (RFC 9002 §7.2 #S1)", () => {
    expect(congestion(1200).window).toBe(12_000)
    expect(congestion(1500).window).toBe(14_720)
    expect(congestion(9000).window).toBe(18_000)
  })

  it("recomputes an unused initial window when the datagram size changes (RFC 9002 §7.2 #S2)", () => {
    const controller = congestion(1200)
    controller.setMaxDatagramSize(1452)
    expect(controller.window).toBe(14_520)
  })

  it("recomputes it when datagrams become smaller so that the handshake gets through (RFC 9002 §7.2 #S3)", () => {
    const recovery = new PathRecovery({ role: "client", isFirst: true, congestion, maxDatagramSize: 1400 })
    for (let i = 0; i < 10; i++) send(recovery, 0, { size: 1400 })
    recovery.onAck(app, ackOf([0, 9]), 0, 100 * millis)
    expect(recovery.congestionWindow).toBe(28_000)
    recovery.setMaxDatagramSize(1200)
    expect(recovery.congestionWindow).toBe(12_000)
  })

  it("doubles the window each round trip in slow start (RFC 9002 §7.3.1)", () => {
    const recovery = confirmed({ congestion })
    fullRound(recovery, 0)
    expect(recovery.congestionWindow).toBe(24_000)
    fullRound(recovery, 100 * millis)
    expect(recovery.congestionWindow).toBe(48_000)
  })

  it("does not grow an underused window (RFC 9002 §7.8 #S1)", () => {
    const recovery = confirmed({ congestion })
    fullRound(recovery, 0)
    for (let i = 0; i < 20; i++) {
      const at = (i + 1) * 200 * millis
      sendMany(recovery, at, 3)
      recovery.onAck(app, ackOf([0, recovery.nextPacketNumber(app) - 1]), 0, at + 100 * millis)
    }
    expect(recovery.congestionWindow).toBeLessThanOrEqual(24_000)
  })

  // RFC 9000 §13.3 #4
  it("reduces the window once per round trip, however many are lost (RFC 9002 §7.3.1 #1, §7.3.2 #1 #2)", () => {
    const recovery = confirmed({ congestion })
    fullRound(recovery, 0)
    const first = recovery.nextPacketNumber(app)
    sendMany(recovery, 100 * millis, 20)
    recovery.onAck(app, ackOf([first + 5, first + 8]), 0, 200 * millis)
    expect(recovery.congestionWindow).toBeCloseTo(24_000 * beta, -1)
    recovery.onAck(app, ackOf([first + 12, first + 15], [first + 5, first + 8]), 0, 201 * millis)
    expect(recovery.congestionWindow).toBeCloseTo(24_000 * beta, -1)
    expect(recovery.counters.congestionEvents).toBe(1)
  })

  it("treats an increase of CE marks as a loss (RFC 9002 §7.1)", () => {
    const recovery = confirmed({ congestion })
    fullRound(recovery, 0)
    recovery.onEcnCongestion(100 * millis)
    expect(recovery.congestionWindow).toBeCloseTo(24_000 * beta, -1)
    recovery.onEcnCongestion(100 * millis)
    expect(recovery.congestionWindow).toBeCloseTo(24_000 * beta, -1)
  })

  it("never goes below two datagrams (RFC 9002 §7.2 #S4)", () => {
    const recovery = confirmed({ congestion })
    for (let i = 0; i < 20; i++) {
      const at = (i + 1) * 1000 * millis
      const first = send(recovery, at)
      sendMany(recovery, at + 1, 3)
      recovery.onAck(app, ackOf([first + 1, first + 3]), 0, at + 100 * millis)
    }
    expect(recovery.congestionWindow).toBe(2 * mss)
  })

  it("collapses to two datagrams in persistent congestion, and slow-starts again (RFC 9002 §7.6.2 #2)", () => {
    const recovery = confirmed({ congestion })
    fullRound(recovery, 0)
    fullRound(recovery, 100 * millis)
    // PTO is below 425 ms: three of them are below 1300 ms.
    for (let i = 0; i < 16; i++) send(recovery, (300 + i * 100) * millis)
    const last = send(recovery, 2000 * millis)
    recovery.onAck(app, ackOf([last, last]), 0, 2100 * millis)
    expect(recovery.counters.persistentCongestions).toBe(1)
    expect(recovery.congestionWindow).toBeLessThanOrEqual(3 * mss)
    expect(recovery.congestionWindow).toBeLessThan(recovery.congestion.slowStartThreshold)
    expect(recovery.rtt.minMicros).toBe(recovery.rtt.latestMicros)
  })

  it("uses the restart window after idling longer than a PTO", () => {
    const recovery = confirmed({ congestion })
    fullRound(recovery, 0)
    fullRound(recovery, 100 * millis)
    send(recovery, 10_000 * millis)
    expect(recovery.congestionWindow).toBe(12_000)
  })

  it("keeps its window over a shorter pause", () => {
    const recovery = confirmed({ congestion })
    fullRound(recovery, 0)
    fullRound(recovery, 100 * millis)
    send(recovery, 250 * millis)
    expect(recovery.congestionWindow).toBe(48_000)
  })
})

describe("persistent congestion (RFC 9002 §7.6.2)", () => {
  const lostOver = (spanMillis: number, prepare?: (recovery: PathRecovery) => void): PathRecovery => {
    const recovery = confirmed()
    if (prepare !== undefined) prepare(recovery)
    else fullRound(recovery, 0)
    const steps = 20
    for (let i = 0; i <= steps; i++) send(recovery, (1000 + (i * spanMillis) / steps) * millis)
    const last = send(recovery, (2000 + spanMillis) * millis)
    recovery.onAck(app, ackOf([last, last]), 0, (2100 + spanMillis) * millis)
    return recovery
  }

  // RFC 9002 §7.6.1 #S1
  it("needs losses more than three PTOs apart", () => {
    // RTT 100 ms, variation 50 ms and then 37.5 ms, delay 25 ms: the PTO is 275 ms when evaluated.
    expect(lostOver(825).counters.persistentCongestions).toBe(0)
    expect(lostOver(830).counters.persistentCongestions).toBe(1)
  })

  // RFC 9002 §7.6.2 #S1
  it("needs an RTT sample from before the losses", () => {
    expect(lostOver(5000, () => {}).counters.persistentCongestions).toBe(0)
  })

  it("does not span an acknowledged packet", () => {
    const recovery = confirmed()
    fullRound(recovery, 0)
    const numbers: Array<number> = []
    for (let i = 0; i <= 20; i++) numbers.push(send(recovery, (1000 + i * 60) * millis))
    const last = send(recovery, 3000 * millis)
    recovery.onAck(app, ackOf([last, last], [numbers[10], numbers[10]]), 0, 3100 * millis)
    expect(recovery.lost.length).toBe(20)
    expect(recovery.counters.persistentCongestions).toBe(0)
  })

  // RFC 9002 §7.6.2 #S2
  it("does not span an acknowledged packet of another space", () => {
    const recovery = confirmed()
    fullRound(recovery, 0)
    for (let i = 0; i <= 20; i++) {
      send(recovery, (1000 + i * 60) * millis)
      if (i === 10) send(recovery, 1601 * millis, { space: Space.Handshake })
    }
    recovery.onAck(Space.Handshake, ackOf([0, 0]), 0, 2500 * millis)
    const last = send(recovery, 3000 * millis)
    recovery.onAck(app, ackOf([last, last]), 0, 3100 * millis)
    expect(recovery.counters.persistentCongestions).toBe(0)
  })

  // RFC 9002 §7.6.2 #1
  it("counts ack-eliciting packets only", () => {
    const recovery = confirmed()
    fullRound(recovery, 0)
    for (let i = 0; i <= 20; i++)
      send(recovery, (1000 + i * 60) * millis, { ackEliciting: false, inFlight: true })
    const last = send(recovery, 3000 * millis)
    recovery.onAck(app, ackOf([last, last]), 0, 3100 * millis)
    expect(recovery.lost.length).toBe(21)
    expect(recovery.counters.persistentCongestions).toBe(0)
  })
})

describe("NewReno's congestion avoidance (RFC 9002 §7.3.3)", () => {
  // RFC 9002 §7.3.3 #1
  it("grows by one datagram per window", () => {
    const recovery = confirmed({ congestion: (size) => new NewReno(size) })
    fullRound(recovery, 0)
    fullRound(recovery, 100 * millis)
    lossyRound(recovery, 200 * millis)
    fullRound(recovery, 300 * millis)
    const before = recovery.congestionWindow
    fullRound(recovery, 400 * millis)
    expect(recovery.congestionWindow - before).toBeGreaterThan(0.9 * mss)
    expect(recovery.congestionWindow - before).toBeLessThanOrEqual(mss)
  })
})

describe("CUBIC's congestion avoidance (RFC 9438)", () => {
  const afterLoss = (rttMicros: number, window: number): { recovery: PathRecovery; at: number } => {
    const recovery = confirmed({ congestion: (size) => new Cubic(size) })
    let at = 0
    while (recovery.congestionWindow < window) {
      fullRound(recovery, at, rttMicros)
      at += rttMicros
    }
    lossyRound(recovery, at, rttMicros)
    return { recovery, at: at + rttMicros }
  }

  it("is back near the old window after K seconds, flat there, and steeper beyond (§4.2)", () => {
    const rtt = 100 * millis
    const { recovery, at } = afterLoss(rtt, 1_000_000)
    const reduced = recovery.congestionWindow
    const old = reduced / 0.7
    const k = Math.cbrt((old - reduced) / mss / 0.4)
    let now = at
    const windowAfter = (seconds: number): number => {
      for (; now - at < seconds * 1e6; now += rtt) fullRound(recovery, now, rtt)
      return recovery.congestionWindow
    }
    const half = windowAfter(k / 2)
    const plateau = windowAfter(k)
    const same = windowAfter(1.5 * k)
    const later = windowAfter(2.5 * k)
    expect(half / old).toBeGreaterThan(0.9)
    expect(plateau / old).toBeGreaterThan(0.97)
    expect(plateau / old).toBeLessThan(1.03)
    expect(same / plateau).toBeLessThan(1.1)
    expect(later / old).toBeGreaterThan(1.5)
  })

  it("is at least as fast as Reno where round trips are short and windows small (§4.3)", () => {
    const rtt = 5 * millis
    const { recovery, at } = afterLoss(rtt, 48_000)
    const before = recovery.congestionWindow
    for (let i = 0; i < 20; i++) fullRound(recovery, at + i * rtt, rtt)
    const alpha = (3 * 0.3) / 1.7
    expect(recovery.congestionWindow - before).toBeGreaterThan(0.8 * 20 * alpha * mss)
  })

  it("reduces W_max further when the window had not recovered (§4.7)", () => {
    const cubic = new Cubic(mss)
    cubic.onEcnCongestion(1, 2)
    const once = cubic.window
    cubic.onEcnCongestion(3, 4)
    expect(cubic.window).toBeCloseTo(once * 0.7)
    // W_max is now (1 + β) / 2 of the window rather than the window, which undoing reveals.
    cubic.onSpuriousCongestion()
    expect(cubic.window).toBeCloseTo(once)
  })
})
