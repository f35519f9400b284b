import { describe, expect, it } from "vitest"
import { maxRememberedLost, maxRememberedSkips, maxTrackedAckOnly } from "../../src/recovery/SentPackets.ts"
import { FrameType } from "../../src/wire/FrameType.ts"
import { Space } from "../../src/wire/PacketType.ts"
import { TransportErrorCode } from "../../src/wire/TransportError.ts"
import { ackOf, ackOfNumber, confirmed, millis, numbersOf, packetsOf, send, sendMany } from "./support.ts"

const app = Space.Application

describe("acknowledgment (RFC 9002 §6.1, RFC 9000 §13.1)", () => {
  it("returns each packet once, with the frames it carried", () => {
    const recovery = confirmed()
    const packet = recovery.begin(app)
    packet.frames.push(FrameType.STREAM, 4, 100, 50)
    recovery.commit(packet, 200, true, true, 0)
    expect(recovery.onAck(app, ackOfNumber(0), 0, 10)).toBeUndefined()
    expect(packetsOf(recovery.acked)[0].frames.values.slice(0, 4)).toEqual([FrameType.STREAM, 4, 100, 50])
    recovery.onAck(app, ackOfNumber(0), 0, 20)
    expect(recovery.acked.length).toBe(0)
  })

  it("returns the same cleared record until it is committed", () => {
    const recovery = confirmed()
    const first = recovery.begin(app)
    first.frames.push(FrameType.PING)
    expect(recovery.begin(app)).toBe(first)
    expect(first.frames.length).toBe(0)
    expect(recovery.nextPacketNumber(app)).toBe(0)
  })

  it("reuses the records of acknowledged packets", () => {
    const recovery = confirmed()
    const seen = new Set()
    for (let i = 0; i < 100; i++) {
      const packet = recovery.begin(app)
      seen.add(packet)
      recovery.commit(packet, 1200, true, true, i)
      recovery.onAck(app, ackOf([0, i]), 0, i)
    }
    expect(seen.size).toBeLessThanOrEqual(2)
  })

  // RFC 9000 §13.1 #S1
  it("refuses an ACK of a packet that was not sent", () => {
    const recovery = confirmed()
    send(recovery, 0)
    expect(recovery.onAck(app, ackOfNumber(1), 0, 10)?.code).toBe(TransportErrorCode.PROTOCOL_VIOLATION)
    expect(recovery.acked.length).toBe(0)
    expect(recovery.bytesInFlight).toBe(1200)
  })

  it("refuses an ACK of a number that was skipped, even after the packets around it are settled", () => {
    const recovery = confirmed()
    sendMany(recovery, 0, 3)
    recovery.skipPacketNumber(app)
    expect(send(recovery, 0)).toBe(4)
    expect(recovery.onAck(app, ackOf([4, 4], [0, 2]), 0, 10)).toBeUndefined()
    sendMany(recovery, 10, 3)
    expect(recovery.onAck(app, ackOf([0, 7]), 0, 20)?.code).toBe(TransportErrorCode.PROTOCOL_VIOLATION)
  })

  it(`remembers the latest ${maxRememberedSkips} skipped numbers`, () => {
    const recovery = confirmed()
    for (let i = 0; i <= maxRememberedSkips; i++) {
      send(recovery, 0)
      recovery.skipPacketNumber(app)
    }
    send(recovery, 0)
    expect(recovery.onAck(app, ackOf([2, 2], [0, 1]), 0, 10)).toBeUndefined()
    expect(recovery.onAck(app, ackOf([2, 4]), 0, 10)?.code).toBe(TransportErrorCode.PROTOCOL_VIOLATION)
  })

  it(`keeps at most ${maxTrackedAckOnly} unacknowledged ACK-only packets`, () => {
    const recovery = confirmed()
    for (let i = 0; i < 10 * maxTrackedAckOnly; i++) send(recovery, i, { ackEliciting: false })
    recovery.onAck(app, ackOf([0, 10 * maxTrackedAckOnly - 1]), 0, 1e6)
    expect(recovery.acked.length).toBe(maxTrackedAckOnly)
    expect(recovery.bytesInFlight).toBe(0)
  })

  it("counts padding-only packets as in flight without arming a timer for them", () => {
    const recovery = confirmed()
    send(recovery, 0, { ackEliciting: false, inFlight: true })
    expect(recovery.bytesInFlight).toBe(1200)
    expect(recovery.deadlineMicros()).toBe(Number.POSITIVE_INFINITY)
  })
})

describe("loss by packet threshold (RFC 9002 §6.1.1)", () => {
  // RFC 9002 §7.4 #1, §6.1.1 #S1 #S2
  it("declares a packet lost when one sent three later is acknowledged", () => {
    const recovery = confirmed()
    sendMany(recovery, 0, 5)
    recovery.onAck(app, ackOfNumber(2), 0, 100 * millis)
    expect(numbersOf(recovery.lost)).toEqual([])
    recovery.onAck(app, ackOf([2, 3]), 0, 100 * millis)
    expect(numbersOf(recovery.lost)).toEqual([0])
    recovery.onAck(app, ackOf([2, 4]), 0, 100 * millis)
    expect(numbersOf(recovery.lost)).toEqual([1])
  })

  it("does not count a skipped number as a later packet", () => {
    const recovery = confirmed()
    send(recovery, 0)
    recovery.skipPacketNumber(app)
    sendMany(recovery, 0, 2)
    recovery.onAck(app, ackOfNumber(3), 0, 100 * millis)
    expect(recovery.lost.length).toBe(0)
  })

  it("never declares a packet above the largest acknowledged lost", () => {
    const recovery = confirmed()
    sendMany(recovery, 0, 10)
    recovery.onAck(app, ackOfNumber(0), 0, 100 * millis)
    expect(recovery.lost.length).toBe(0)
    expect(recovery.onTimeout(90 * millis).kind).toBe("none")
  })

  it("keeps packet number spaces separate", () => {
    const recovery = confirmed()
    sendMany(recovery, 0, 2)
    for (let i = 0; i < 5; i++) send(recovery, 0, { space: Space.Handshake })
    recovery.onAck(Space.Handshake, ackOfNumber(4), 0, 100 * millis)
    expect(packetsOf(recovery.lost).every((packet) => packet.space === Space.Handshake)).toBe(true)
    expect(recovery.bytesInFlight).toBe(4 * 1200)
  })
})

describe("loss by time threshold (RFC 9002 §6.1.2)", () => {
  // RFC 9002 §6.1.2 #S1 #S2 #S3
  it("waits nine eighths of a round trip, then declares the packet lost", () => {
    const recovery = confirmed()
    send(recovery, 0)
    send(recovery, 0)
    recovery.onAck(app, ackOfNumber(1), 0, 80 * millis)
    expect(recovery.lost.length).toBe(0)
    expect(recovery.deadlineMicros()).toBe(90 * millis)
    expect(recovery.onTimeout(90 * millis - 1).kind).toBe("none")
    expect(recovery.onTimeout(90 * millis)).toMatchObject({ kind: "loss", space: app })
    expect(numbersOf(recovery.lost)).toEqual([0])
    expect(recovery.deadlineMicros()).toBe(Number.POSITIVE_INFINITY)
  })

  // RFC 9002 §6.1.2 #1, §6.1.2 #S4
  it("is never shorter than the timer granularity", () => {
    const recovery = confirmed()
    send(recovery, 0)
    send(recovery, 0)
    recovery.onAck(app, ackOfNumber(1), 0, 100)
    expect(recovery.deadlineMicros()).toBe(1 * millis)
  })

  it("takes the larger of the latest and the smoothed round trip", () => {
    const recovery = confirmed()
    send(recovery, 0)
    recovery.onAck(app, ackOfNumber(0), 0, 80 * millis)
    send(recovery, 100 * millis)
    send(recovery, 100 * millis)
    recovery.onAck(app, ackOfNumber(2), 0, 260 * millis)
    expect(recovery.deadlineMicros()).toBe((100 + 180) * millis)
  })
})

describe("spurious loss (RFC 9002 §6.1.1)", () => {
  it("reports a late acknowledgment separately and tolerates more reordering from then on", () => {
    const recovery = confirmed()
    sendMany(recovery, 0, 20)
    recovery.onAck(app, ackOf([1, 4]), 0, 100 * millis)
    expect(numbersOf(recovery.lost)).toEqual([0])
    recovery.onAck(app, ackOf([0, 5]), 0, 101 * millis)
    expect(numbersOf(recovery.lateAcked)).toEqual([0])
    expect(numbersOf(recovery.acked)).toEqual([5])
    expect(recovery.counters.spuriousLosses).toBe(1)
    recovery.onAck(app, ackOf([7, 11], [0, 5]), 0, 103 * millis)
    expect(recovery.lost.length).toBe(0)
    recovery.onAck(app, ackOf([7, 12], [0, 5]), 0, 103 * millis)
    expect(numbersOf(recovery.lost)).toEqual([6])
  })

  it("undoes the congestion event when every loss of it was spurious", () => {
    const recovery = confirmed()
    sendMany(recovery, 0, 10)
    const window = recovery.congestionWindow
    recovery.onAck(app, ackOf([2, 5]), 0, 100 * millis)
    expect(numbersOf(recovery.lost)).toEqual([0, 1])
    expect(recovery.congestionWindow).toBeLessThan(window)
    recovery.onAck(app, ackOf([1, 5]), 0, 101 * millis)
    expect(recovery.congestionWindow).toBeLessThan(window)
    recovery.onAck(app, ackOf([0, 5]), 0, 102 * millis)
    expect(recovery.congestionWindow).toBeGreaterThanOrEqual(window)
  })

  it(`remembers only the latest ${maxRememberedLost} lost packets`, () => {
    const recovery = confirmed()
    sendMany(recovery, 0, 200)
    recovery.onAck(app, ackOfNumber(199), 0, 100 * millis)
    expect(recovery.lost.length).toBe(197)
    recovery.onAck(app, ackOf([0, 199]), 0, 101 * millis)
    expect(recovery.lateAcked.length).toBe(maxRememberedLost)
  })
})

describe("packets removed without ACK or loss", () => {
  it("discards a space and its bytes in flight (RFC 9002 §6.4 #1)", () => {
    const recovery = confirmed()
    send(recovery, 0, { space: Space.Initial })
    send(recovery, 0)
    recovery.discardSpace(Space.Initial, 10)
    expect(recovery.bytesInFlight).toBe(1200)
    recovery.onAck(Space.Initial, ackOfNumber(0), 0, 20)
    expect(recovery.acked.length).toBe(0)
  })

  it("abandons packets without a congestion event (RFC 9002 §6.3)", () => {
    const recovery = confirmed()
    sendMany(recovery, 0, 4)
    const window = recovery.congestionWindow
    expect(numbersOf(recovery.abandonPackets(app, 10))).toEqual([0, 1, 2, 3])
    expect(recovery.bytesInFlight).toBe(0)
    expect(recovery.congestionWindow).toBe(window)
    expect(recovery.deadlineMicros()).toBe(Number.POSITIVE_INFINITY)
  })

  // RFC 9000 §9.4 #1
  it("counts nothing of the old path after a migration, but still recovers its losses (RFC 9000 §9.4)", () => {
    const recovery = confirmed()
    sendMany(recovery, 0, 6)
    recovery.resetForMigration(10 * millis)
    expect(recovery.bytesInFlight).toBe(0)
    const window = recovery.congestionWindow
    recovery.onAck(app, ackOfNumber(5), 0, 20 * millis)
    expect(numbersOf(recovery.lost)).toEqual([0, 1, 2])
    expect(recovery.congestionWindow).toBe(window)
    expect(recovery.bytesInFlight).toBe(0)
  })

  // RFC 9000 §14.4 #S1
  it("treats a lost MTU probe as no congestion signal (RFC 9000 §14.4)", () => {
    const recovery = confirmed()
    const probe = recovery.begin(app)
    probe.isMtuProbe = true
    recovery.commit(probe, 1400, true, true, 0)
    sendMany(recovery, 0, 3)
    const window = recovery.congestionWindow
    recovery.onAck(app, ackOf([1, 3]), 0, 100 * millis)
    expect(packetsOf(recovery.lost)[0]).toMatchObject({ isMtuProbe: true })
    expect(recovery.congestionWindow).toBeGreaterThanOrEqual(window)
    expect(recovery.bytesInFlight).toBe(0)
  })
})
