import type { Role } from "../../src/wire/Role.ts"
import { describe, expect, it } from "vitest"
import { NewReno } from "../../src/recovery/NewReno.ts"
import { PathRecovery } from "../../src/recovery/PathRecovery.ts"
import { Space } from "../../src/wire/PacketType.ts"
import { ackOf, ackOfNumber, confirmed, millis, send, sendMany } from "./support.ts"

const never = Number.POSITIVE_INFINITY
const handshaking = (role: Role): PathRecovery =>
  new PathRecovery({ role, isFirst: true, congestion: (size) => new NewReno(size), maxDatagramSize: 1200 })

describe("the probe timeout (RFC 9002 §6.2)", () => {
  // RFC 9002 §6.2.1 #S1
  it("is smoothed RTT plus four variations plus the peer's max_ack_delay, from the last ack-eliciting packet", () => {
    const recovery = confirmed()
    send(recovery, 0)
    recovery.onAck(Space.Application, ackOfNumber(0), 0, 100 * millis)
    expect(recovery.deadlineMicros()).toBe(never)
    send(recovery, 200 * millis)
    send(recovery, 250 * millis)
    send(recovery, 260 * millis, { ackEliciting: false })
    expect(recovery.deadlineMicros()).toBe((250 + 100 + 200 + 25) * millis)
  })

  // RFC 9002 §6.2.1 #2
  it("excludes max_ack_delay for Initial and Handshake packets", () => {
    const recovery = handshaking("client")
    recovery.setPeerMaxAckDelay(25 * millis)
    send(recovery, 0, { space: Space.Initial })
    expect(recovery.deadlineMicros()).toBe(999 * millis)
    send(recovery, 10 * millis, { space: Space.Handshake })
    expect(recovery.deadlineMicros()).toBe(999 * millis)
    expect(recovery.onTimeout(999 * millis)).toMatchObject({ kind: "probe", space: Space.Initial, probes: 2 })
  })

  // RFC 9002 §6.2.1 #1
  it("counts the variation as at least a millisecond", () => {
    const recovery = confirmed()
    for (let i = 0; i < 200; i++) {
      send(recovery, i * 1000)
      recovery.onAck(Space.Application, ackOf([0, i]), 0, i * 1000 + 500)
    }
    send(recovery, 1e6)
    expect(recovery.deadlineMicros()).toBeCloseTo(1e6 + 500 + 1000 + 25_000, 0)
  })

  // RFC 9002 §6.2.1 #3
  it("is not armed for application data before the handshake is confirmed", () => {
    const recovery = handshaking("server")
    send(recovery, 0)
    expect(recovery.deadlineMicros()).toBe(never)
    recovery.onHandshakeConfirmed()
    expect(recovery.deadlineMicros()).toBe(999 * millis)
  })

  // RFC 9002 §6.2 #1, §6.2.1 #4, §6.2.2 #1, §6.2.1 #S1
  it("doubles with each expiry, across all spaces, and declares nothing lost", () => {
    const recovery = confirmed()
    send(recovery, 0, { space: Space.Initial })
    recovery.onTimeout(999 * millis)
    expect(recovery.lost.length).toBe(0)
    expect(recovery.deadlineMicros()).toBe(2 * 999 * millis)
    recovery.onTimeout(2 * 999 * millis)
    send(recovery, 3e6, { space: Space.Handshake })
    expect(recovery.ptoCount).toBe(2)
    recovery.discardSpace(Space.Initial, 3e6)
    expect(recovery.deadlineMicros()).toBe(3e6 + 999 * millis)
  })

  // RFC 9002 §6.2.4 #1, §7.5 #1 #2
  it("requests two probes, which bypass the window but count as in flight", () => {
    const recovery = confirmed()
    sendMany(recovery, 0, 10)
    expect(recovery.sendQuota(0)).toBe(0)
    const timeout = recovery.onTimeout(recovery.deadlineMicros())
    expect(timeout).toMatchObject({ kind: "probe", space: Space.Application, probes: 2 })
    send(recovery, 2e6)
    send(recovery, 2e6)
    expect(recovery.bytesInFlight).toBe(12 * 1200)
    expect(recovery.oldestOutstanding(Space.Application)?.packetNumber).toBe(0)
  })

  it("grows to a minute and no further, however long nothing is received", () => {
    const recovery = confirmed()
    send(recovery, 0)
    let last = 0
    for (let i = 0; i < 2000; i++) {
      const at = recovery.deadlineMicros()
      expect(at - last).toBeLessThanOrEqual(60e6)
      recovery.onTimeout(at)
      send(recovery, at)
      last = at
    }
    expect(recovery.deadlineMicros() - last).toBe(60e6)
  })

  it("is never less than it would be without backoff", () => {
    const recovery = confirmed({ initialRttMicros: 50e6 })
    send(recovery, 0)
    expect(recovery.deadlineMicros()).toBe(150e6 + 25 * millis)
    recovery.onTimeout(recovery.deadlineMicros())
    send(recovery, 200e6)
    expect(recovery.deadlineMicros()).toBe(350e6 + 25 * millis)
  })

  it("resets the backoff when an ACK arrives", () => {
    const recovery = confirmed()
    send(recovery, 0)
    recovery.onTimeout(recovery.deadlineMicros())
    expect(recovery.ptoCount).toBe(1)
    recovery.onAck(Space.Application, ackOfNumber(0), 0, 2e6)
    expect(recovery.ptoCount).toBe(0)
  })

  // RFC 9002 §6.2.1 #5
  it("yields to the time-threshold loss timer", () => {
    const recovery = confirmed()
    sendMany(recovery, 0, 5)
    recovery.onAck(Space.Application, ackOfNumber(1), 0, 80 * millis)
    expect(recovery.deadlineMicros()).toBe(90 * millis)
    expect(recovery.onTimeout(90 * millis).kind).toBe("loss")
    expect(recovery.ptoCount).toBe(0)
    expect(recovery.deadlineMicros()).toBeGreaterThan(90 * millis)
  })
})

describe("the handshake's deadlock (RFC 9002 §6.2.2.1)", () => {
  it("has no timer before the first packet", () => {
    expect(handshaking("client").deadlineMicros()).toBe(never)
  })

  // RFC 9002 §6.2.2.1 #2 #3
  it("makes a client probe with nothing in flight until the server has validated its address", () => {
    const recovery = handshaking("client")
    send(recovery, 0, { space: Space.Initial })
    recovery.onAck(Space.Initial, ackOfNumber(0), 0, 100 * millis)
    expect(recovery.bytesInFlight).toBe(0)
    expect(recovery.deadlineMicros()).toBe((100 + 300) * millis)
    expect(recovery.onTimeout(400 * millis)).toMatchObject({ kind: "probe", space: Space.Initial, probes: 1 })
    expect(recovery.deadlineMicros()).toBe((400 + 600) * millis)
  })

  // RFC 9000 §8.1 #5, RFC 9002 §6.2.2.1 #3
  it("makes it probe with a Handshake packet once it can", () => {
    const recovery = handshaking("client")
    send(recovery, 0, { space: Space.Initial })
    recovery.onAck(Space.Initial, ackOfNumber(0), 0, 100 * millis)
    recovery.onHandshakeKeys()
    recovery.discardSpace(Space.Initial, 100 * millis)
    expect(recovery.onTimeout(400 * millis)).toMatchObject({ kind: "probe", space: Space.Handshake })
  })

  it("ends with the first Handshake ACK", () => {
    const recovery = handshaking("client")
    send(recovery, 0, { space: Space.Handshake })
    recovery.onAck(Space.Handshake, ackOfNumber(0), 0, 100 * millis)
    expect(recovery.deadlineMicros()).toBe(never)
  })

  it("keeps the client's backoff on ACKs of Initial packets", () => {
    const recovery = handshaking("client")
    send(recovery, 0, { space: Space.Initial })
    recovery.onTimeout(999 * millis)
    recovery.onAck(Space.Initial, ackOfNumber(0), 0, 1e6)
    expect(recovery.ptoCount).toBe(1)
  })

  it("does not concern a server", () => {
    const recovery = handshaking("server")
    send(recovery, 0, { space: Space.Initial })
    recovery.onAck(Space.Initial, ackOfNumber(0), 0, 100 * millis)
    expect(recovery.deadlineMicros()).toBe(never)
  })

  // RFC 9002 §6.2.2.1 #1
  it("arms no timer for a server that may send nothing, and fires at once when overdue", () => {
    const recovery = handshaking("server")
    send(recovery, 0, { space: Space.Initial })
    recovery.setAmplificationLimited(true)
    expect(recovery.deadlineMicros()).toBe(never)
    expect(recovery.onTimeout(5e6).kind).toBe("none")
    recovery.setAmplificationLimited(false)
    expect(recovery.deadlineMicros()).toBeLessThan(5e6)
    expect(recovery.onTimeout(5e6).kind).toBe("probe")
  })
})
