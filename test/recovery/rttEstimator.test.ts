import { describe, expect, it } from "vitest"
import { NewReno } from "../../src/recovery/NewReno.ts"
import { PathRecovery } from "../../src/recovery/PathRecovery.ts"
import { RttEstimator } from "../../src/recovery/RttEstimator.ts"
import { Space } from "../../src/wire/PacketType.ts"
import { ackOf, ackOfNumber, confirmed, millis, send } from "./support.ts"

describe("round-trip time (RFC 9002 §5)", () => {
  // RFC 9002 §6.2.2 #S1
  it("starts at the initial RTT, which makes the first PTO about a second", () => {
    const rtt = new RttEstimator()
    expect(rtt.smoothedMicros).toBe(333 * millis)
    expect(rtt.variationMicros).toBe(166.5 * millis)
    expect(rtt.ptoBaseMicros).toBe(999 * millis)
    expect(rtt.hasSample).toBe(false)
  })

  // RFC 9002 §5.2 #1
  it("is reset by its first sample", () => {
    const rtt = new RttEstimator()
    rtt.onSample(100 * millis, 50 * millis, 1)
    expect(rtt).toMatchObject({
      latestMicros: 100_000,
      minMicros: 100_000,
      smoothedMicros: 100_000,
      variationMicros: 50_000
    })
  })

  // RFC 9002 §5.2 #1, §5.2 #S2
  it("moves an eighth and a quarter of the way with each further sample", () => {
    const rtt = new RttEstimator()
    rtt.onSample(100 * millis, 0, 1)
    rtt.onSample(180 * millis, 20 * millis, 2)
    expect(rtt.smoothedMicros).toBe(0.875 * 100_000 + 0.125 * 160_000)
    expect(rtt.variationMicros).toBe(0.75 * 50_000 + 0.25 * 60_000)
    expect(rtt.minMicros).toBe(100_000)
  })

  // RFC 9002 §5.3 #2
  it("never subtracts an acknowledgment delay that would take the sample below the minimum", () => {
    const rtt = new RttEstimator()
    rtt.onSample(100 * millis, 0, 1)
    rtt.onSample(110 * millis, 20 * millis, 2)
    expect(rtt.smoothedMicros).toBe(0.875 * 100_000 + 0.125 * 110_000)
  })

  // RFC 9002 §5.2 #S1
  it("resets the minimum to the newest sample after persistent congestion", () => {
    const rtt = new RttEstimator()
    rtt.onSample(10 * millis, 0, 1)
    rtt.onSample(90 * millis, 0, 2)
    rtt.onPersistentCongestion()
    expect(rtt.minMicros).toBe(90_000)
  })

  // RFC 9002 §5.3 #1
  it("limits the delay by max_ack_delay once the handshake is confirmed", () => {
    const recovery = confirmed()
    send(recovery, 0)
    recovery.onAck(Space.Application, ackOfNumber(0), 0, 100 * millis)
    send(recovery, 200 * millis)
    recovery.onAck(Space.Application, ackOfNumber(1), 80 * millis, 400 * millis)
    expect(recovery.rtt.smoothedMicros).toBe(0.875 * 100_000 + 0.125 * 175_000)
  })

  // RFC 9002 §5.3 #S1 #S2
  it("uses the delay as reported before that", () => {
    const recovery = new PathRecovery({
      isFirst: true,
      role: "client",
      congestion: (size) => new NewReno(size),
      maxDatagramSize: 1200
    })
    recovery.setPeerMaxAckDelay(25 * millis)
    send(recovery, 0)
    recovery.onAck(Space.Application, ackOfNumber(0), 0, 100 * millis)
    send(recovery, 200 * millis)
    recovery.onAck(Space.Application, ackOfNumber(1), 80 * millis, 400 * millis)
    expect(recovery.rtt.smoothedMicros).toBe(0.875 * 100_000 + 0.125 * 120_000)
  })

  it("ignores the delay reported for Initial packets", () => {
    const recovery = confirmed()
    send(recovery, 0, { space: Space.Initial })
    recovery.onAck(Space.Initial, ackOfNumber(0), 0, 100 * millis)
    send(recovery, 200 * millis, { space: Space.Initial })
    recovery.onAck(Space.Initial, ackOfNumber(1), 80 * millis, 400 * millis)
    expect(recovery.rtt.smoothedMicros).toBe(0.875 * 100_000 + 0.125 * 200_000)
  })

  // RFC 9002 §5.1 #S1
  it("takes no sample unless the largest number is newly acknowledged", () => {
    const recovery = confirmed()
    send(recovery, 0)
    send(recovery, 0)
    recovery.onAck(Space.Application, ackOfNumber(1), 0, 100 * millis)
    recovery.onAck(Space.Application, ackOf([0, 1]), 0, 500 * millis)
    expect(recovery.rtt.latestMicros).toBe(100_000)
    expect(recovery.rtt.smoothedMicros).toBe(100_000)
  })

  // RFC 9002 §5.1 #1
  it("takes no sample from an ACK without ack-eliciting packets", () => {
    const recovery = confirmed()
    send(recovery, 0, { ackEliciting: false })
    recovery.onAck(Space.Application, ackOfNumber(0), 0, 100 * millis)
    expect(recovery.rtt.hasSample).toBe(false)
  })

  // RFC 9002 §6.2.2 #S2
  it("takes no sample from a probe of another path", () => {
    const recovery = confirmed()
    const probe = recovery.begin(Space.Application)
    probe.isPathProbe = true
    recovery.commit(probe, 1200, true, false, 0)
    recovery.onAck(Space.Application, ackOfNumber(0), 0, 100 * millis)
    expect(recovery.rtt.hasSample).toBe(false)
  })

  it("takes no sample from packets sent before a migration", () => {
    const recovery = confirmed()
    send(recovery, 0)
    recovery.resetForMigration(50 * millis)
    send(recovery, 60 * millis)
    recovery.onAck(Space.Application, ackOfNumber(0), 0, 100 * millis)
    expect(recovery.rtt.hasSample).toBe(false)
    recovery.onAck(Space.Application, ackOf([0, 1]), 0, 130 * millis)
    expect(recovery.rtt.latestMicros).toBe(70_000)
  })
})
