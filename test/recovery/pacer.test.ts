import { describe, expect, it } from "vitest"
import { Cubic } from "../../src/recovery/Cubic.ts"
import { Pacer } from "../../src/recovery/Pacer.ts"
import { Space } from "../../src/wire/PacketType.ts"
import { ackOf, confirmed, millis, send, sendMany } from "./support.ts"

describe("the pacer (RFC 9002 §7.7)", () => {
  it("holds nothing back at an infinite rate, at time 0 either", () => {
    const pacer = new Pacer(1200)
    for (let i = 0; i < 20; i++) pacer.onPacketSent(1200, 0)
    expect(pacer.nextSendMicros(0)).toBe(0)
    expect(pacer.available(0)).toBe(Number.POSITIVE_INFINITY)
    // the debt that is left when the rate is known is one bucket at most
    pacer.setRate(1, 0)
    expect(pacer.nextSendMicros(0)).toBeLessThanOrEqual(2 * 12_000 + 1_200)
  })

  // RFC 9002 §7.7 #1, §7.7 #S1
  it("allows ten datagrams at once, then paces the rest", () => {
    const pacer = new Pacer(1200)
    pacer.setRate(1.2, 0)
    for (let i = 0; i < 10; i++) pacer.onPacketSent(1200, 0)
    expect(pacer.available(0)).toBe(0)
    expect(pacer.nextSendMicros(0)).toBe(1000)
    expect(pacer.available(500)).toBe(600)
    expect(pacer.available(1000)).toBe(1200)
    expect(pacer.nextSendMicros(1000)).toBe(1000)
  })

  it("accumulates no more than its burst, however long nothing is sent", () => {
    const pacer = new Pacer(1200)
    pacer.setRate(1, 0)
    expect(pacer.available(1e9)).toBe(12_000)
  })

  it("allows two milliseconds' worth at once on a fast path", () => {
    const pacer = new Pacer(1200)
    pacer.setRate(125, 0)
    expect(pacer.available(1e6)).toBe(250_000)
  })

  it("waits for a millisecond's worth on a fast path, not for one datagram", () => {
    const pacer = new Pacer(1200)
    pacer.setRate(125, 0)
    pacer.available(1e6)
    pacer.onPacketSent(250_000, 1e6)
    expect(pacer.nextSendMicros(1e6)).toBe(1e6 + 1000)
  })

  it("bounds the debt of packets that bypass it", () => {
    const pacer = new Pacer(1200)
    pacer.setRate(1.2, 0)
    for (let i = 0; i < 1000; i++) pacer.onPacketSent(1200, 0)
    expect(pacer.nextSendMicros(0)).toBe(11 * 1000)
  })
})

describe("sendQuota", () => {
  it("is initially the initial window", () => {
    expect(confirmed().sendQuota(0)).toBe(12_000)
  })

  // RFC 9002 §7 #2
  it("is zero with a full window, and only an ACK opens it", () => {
    const recovery = confirmed()
    sendMany(recovery, 0, 10)
    expect(recovery.sendQuota(0)).toBe(0)
    expect(recovery.nextSendMicros(0)).toBe(Number.POSITIVE_INFINITY)
  })

  it("is never less than a datagram, unless zero", () => {
    const recovery = confirmed()
    sendMany(recovery, 0, 9)
    send(recovery, 0, { size: 100 })
    expect(recovery.sendQuota(0)).toBe(0)
  })

  it("paces at twice the window per round trip in slow start", () => {
    const recovery = confirmed({ congestion: (size) => new Cubic(size) })
    sendMany(recovery, 0, 10)
    recovery.onAck(Space.Application, ackOf([0, 9]), 0, 100 * millis)
    expect(recovery.pacingRate).toBeCloseTo((2 * recovery.congestionWindow) / (100 * millis))
  })

  it("paces at 5/4 of the window per round trip in congestion avoidance", () => {
    const recovery = confirmed()
    sendMany(recovery, 0, 10)
    recovery.onAck(Space.Application, ackOf([3, 9]), 0, 100 * millis)
    expect(recovery.pacingRate).toBeCloseTo((1.25 * recovery.congestionWindow) / (100 * millis))
  })

  // RFC 9002 §7.7 #S3
  it("does not count ACK-only packets", () => {
    const recovery = confirmed()
    for (let i = 0; i < 100; i++) send(recovery, 0, { ackEliciting: false })
    expect(recovery.sendQuota(0)).toBe(12_000)
  })
})
