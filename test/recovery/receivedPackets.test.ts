import fc from "fast-check"
import { describe, expect, it } from "vitest"
import { Ecn, maxReceivedRanges, ReceivedPackets } from "../../src/recovery/ReceivedPackets.ts"
import { AckFrame } from "../../src/wire/AckFrame.ts"
import { Space } from "../../src/wire/PacketType.ts"

const never = Number.POSITIVE_INFINITY

const rangesOf = (received: ReceivedPackets, maxRanges?: number): Array<[number, number]> => {
  const ack = new AckFrame()
  received.fillAck(ack, 0, 3, maxRanges)
  return Array.from({ length: ack.rangeCount }, (_, i) => [ack.smallest[i], ack.largestOf[i]])
}

const receive = (received: ReceivedPackets, ...numbers: ReadonlyArray<number>): void => {
  for (const number of numbers) received.onReceived(number, true, 0)
}

/** Which packets make an ACK due at once, if every due ACK is sent. */
const acknowledgedAt = (received: ReceivedPackets, numbers: ReadonlyArray<number>): Array<number> =>
  numbers.filter((number) => {
    received.onReceived(number, true, 0)
    if (!received.shouldAckNow(0)) return false
    received.onAckSent()
    return true
  })

describe("received packet numbers (RFC 9000 §13.2.3)", () => {
  // RFC 9000 §13.2.1 #S1, §13.2.3 #S1
  it("merges numbers into ranges, highest first", () => {
    const received = new ReceivedPackets(Space.Application)
    receive(received, 5, 3, 9, 4, 8, 1)
    expect(rangesOf(received)).toEqual([
      [8, 9],
      [3, 5],
      [1, 1]
    ])
    receive(received, 2, 7, 6)
    expect(rangesOf(received)).toEqual([[1, 9]])
  })

  it("detects duplicates", () => {
    const received = new ReceivedPackets(Space.Application)
    receive(received, 0, 1, 4)
    expect([0, 1, 2, 3, 4, 5].map((number) => received.isDuplicate(number))).toEqual([
      true,
      true,
      false,
      false,
      true,
      false
    ])
  })

  // RFC 9000 §13.2.3 #1
  it(`keeps ${maxReceivedRanges} ranges, and treats numbers below them as duplicates`, () => {
    const received = new ReceivedPackets(Space.Application)
    for (let i = 0; i <= maxReceivedRanges + 5; i++) receive(received, 2 * i)
    expect(rangesOf(received).length).toBe(maxReceivedRanges)
    expect(rangesOf(received).at(-1)).toEqual([12, 12])
    expect(received.isDuplicate(9)).toBe(true)
    expect(received.isDuplicate(10)).toBe(true)
    expect(received.isDuplicate(11)).toBe(false)
    expect(received.isDuplicate(12)).toBe(true)
  })

  // RFC 9000 §13.2.3 #2, §13.2.3 #S3
  it("writes as many ranges as fit, always including the highest", () => {
    const received = new ReceivedPackets(Space.Application)
    receive(received, 0, 2, 4, 6)
    expect(rangesOf(received, 2)).toEqual([
      [6, 6],
      [4, 4]
    ])
  })

  // RFC 9000 §13.2.3 #S2
  it("stops reporting what an acknowledged ACK covered, and still detects its duplicates (§13.2.4)", () => {
    const received = new ReceivedPackets(Space.Application)
    receive(received, 0, 2, 4, 6, 8)
    received.onAckOfAck(4)
    expect(rangesOf(received)).toEqual([
      [8, 8],
      [6, 6]
    ])
    expect([0, 1, 2, 3, 4].map((number) => received.isDuplicate(number))).toEqual([
      true,
      false,
      true,
      false,
      true
    ])
    received.onAckOfAck(8)
    expect(rangesOf(received)).toEqual([[8, 8]])
  })

  it("reports a late packet below what was acknowledged", () => {
    const received = new ReceivedPackets(Space.Application)
    receive(received, 0, 4, 8)
    received.onAckOfAck(8)
    receive(received, 2)
    expect(rangesOf(received)).toEqual([
      [8, 8],
      [4, 4],
      [2, 2]
    ])
  })

  it("has nothing to write before the first packet", () => {
    expect(new ReceivedPackets(Space.Application).fillAck(new AckFrame(), 0, 3)).toBe(false)
  })

  it("agrees with a set of numbers, whatever their order", () => {
    fc.assert(
      fc.property(fc.array(fc.nat(90), { maxLength: 200 }), (numbers) => {
        const received = new ReceivedPackets(Space.Application)
        const seen = new Set<number>()
        for (const number of numbers) {
          expect(received.isDuplicate(number)).toBe(seen.has(number))
          if (seen.has(number)) continue
          seen.add(number)
          receive(received, number)
        }
        if (seen.size === 0) return
        const ranges = rangesOf(received)
        const listed = ranges.flatMap(([from, to]) =>
          Array.from({ length: to - from + 1 }, (_, i) => from + i)
        )
        expect(listed.sort((a, b) => a - b)).toEqual([...seen].sort((a, b) => a - b))
        for (let i = 1; i < ranges.length; i++) expect(ranges[i - 1][0]).toBeGreaterThan(ranges[i][1] + 1)
      })
    )
  })
})

describe("when to acknowledge (RFC 9000 §13.2.1, §13.2.2)", () => {
  // RFC 9000 §13.2.1 #1, §13.2.2 #S1
  it("acknowledges every second ack-eliciting packet at once, and one alone within max_ack_delay", () => {
    const received = new ReceivedPackets(Space.Application)
    received.onReceived(0, true, 1000)
    expect(received.hasUnacknowledged).toBe(true)
    expect(received.shouldAckNow(1000)).toBe(false)
    expect(received.ackDeadlineMicros).toBe(26_000)
    received.onReceived(1, true, 2000)
    expect(received.shouldAckNow(2000)).toBe(true)
    received.onAckSent()
    expect(received.hasUnacknowledged).toBe(false)
    expect(received.ackDeadlineMicros).toBe(never)
  })

  it("counts the delay from the oldest unacknowledged packet", () => {
    const received = new ReceivedPackets(Space.Application)
    received.setAckFrequency(10, 25_000, 1)
    received.onReceived(0, true, 1000)
    received.onReceived(1, true, 9000)
    expect(received.ackDeadlineMicros).toBe(26_000)
  })

  it("acknowledges Initial and Handshake packets at once", () => {
    for (const space of [Space.Initial, Space.Handshake]) {
      const received = new ReceivedPackets(space)
      received.onReceived(0, true, 1000)
      expect(received.shouldAckNow(1000)).toBe(true)
    }
  })

  // RFC 9000 §13.2.1 #4
  it("never acknowledges because of packets that are not ack-eliciting, whatever the gaps", () => {
    const received = new ReceivedPackets(Space.Initial)
    for (const number of [0, 5, 3, 9]) received.onReceived(number, false, 0, Ecn.Ce)
    expect(received.hasUnacknowledged).toBe(false)
    expect(received.ackDeadlineMicros).toBe(never)
  })

  // RFC 9000 §13.2.1 #S3
  it("acknowledges at once when a packet is out of order or leaves a gap", () => {
    const received = new ReceivedPackets(Space.Application)
    expect(acknowledgedAt(received, [0, 2])).toEqual([2])
    expect(acknowledgedAt(received, [1])).toEqual([1])
    expect(acknowledgedAt(received, [3])).toEqual([])
  })

  it("does not treat non-ack-eliciting packets as a gap", () => {
    const received = new ReceivedPackets(Space.Application)
    received.onReceived(0, true, 0)
    received.onAckSent()
    received.onReceived(1, false, 0)
    received.onReceived(2, true, 0)
    expect(received.shouldAckNow(0)).toBe(false)
  })

  // RFC 9000 §13.2.1 #S4
  it("acknowledges CE marks at once", () => {
    const received = new ReceivedPackets(Space.Application)
    received.onReceived(0, true, 0, Ecn.Ce)
    expect(received.shouldAckNow(0)).toBe(true)
  })

  // RFC 9000 §13.2.5
  it("reports the delay since the largest packet arrived, in units of the exponent", () => {
    const received = new ReceivedPackets(Space.Application)
    received.onReceived(5, true, 1000)
    received.onReceived(3, true, 9000)
    const ack = new AckFrame()
    received.fillAck(ack, 17_000, 3)
    expect(ack.largest).toBe(5)
    expect(ack.delayRaw).toBe(2000)
  })

  it("counts ECN marks, and reports none when there are none (RFC 9000 §13.4.1)", () => {
    const received = new ReceivedPackets(Space.Application)
    const ack = new AckFrame()
    received.onReceived(0, true, 0)
    received.fillAck(ack, 0, 3)
    expect(ack.hasEcn).toBe(false)
    received.onReceived(1, true, 0, Ecn.Ect0)
    received.onReceived(2, true, 0, Ecn.Ect0)
    received.onReceived(3, true, 0, Ecn.Ect1)
    received.onReceived(4, true, 0, Ecn.Ce)
    received.fillAck(ack, 0, 3)
    expect(ack).toMatchObject({ hasEcn: true, ect0: 2, ect1: 1, ce: 1 })
  })
})

describe("requests by the peer (draft-ietf-quic-ack-frequency)", () => {
  it("waits for more than the threshold", () => {
    const received = new ReceivedPackets(Space.Application)
    received.setAckFrequency(4, 25_000, 1)
    expect(acknowledgedAt(received, [0, 1, 2, 3, 4, 5, 6, 7, 8, 9])).toEqual([4, 9])
  })

  it("acknowledges each packet when the threshold is 0", () => {
    const received = new ReceivedPackets(Space.Application)
    received.setAckFrequency(0, 25_000, 1)
    expect(acknowledgedAt(received, [0, 1, 2])).toEqual([0, 1, 2])
  })

  it("uses the requested delay", () => {
    const received = new ReceivedPackets(Space.Application)
    received.setAckFrequency(10, 5_000, 1)
    received.onReceived(0, true, 1000)
    expect(received.ackDeadlineMicros).toBe(6000)
  })

  it("follows the example for a reordering threshold of 3", () => {
    const received = new ReceivedPackets(Space.Application)
    received.setAckFrequency(1000, 25_000, 3)
    expect(acknowledgedAt(received, [0, 1, 3, 4, 5, 8, 9, 10])).toEqual([5, 9, 10])
  })

  it("follows the example for a reordering threshold of 5", () => {
    const received = new ReceivedPackets(Space.Application)
    received.setAckFrequency(1000, 25_000, 5)
    expect(acknowledgedAt(received, [0, 1, 3, 5, 6, 7, 8, 9])).toEqual([7, 9])
  })

  it("acknowledges at once a packet the peer has declared lost", () => {
    const received = new ReceivedPackets(Space.Application)
    received.setAckFrequency(1000, 25_000, 3)
    expect(acknowledgedAt(received, [0, 2, 3, 4, 5, 1])).toEqual([4, 1])
  })

  it("ignores reordering when the threshold is 0", () => {
    const received = new ReceivedPackets(Space.Application)
    received.setAckFrequency(1000, 25_000, 0)
    expect(acknowledgedAt(received, [0, 9, 3, 20, 1])).toEqual([])
  })

  it("acknowledges at once only the first of consecutive CE marks", () => {
    const received = new ReceivedPackets(Space.Application)
    received.setAckFrequency(1000, 25_000, 3)
    const due = [Ecn.Ce, Ecn.Ce, Ecn.Ect0, Ecn.Ce].map((ecn, i) => {
      received.onReceived(i, true, 0, ecn)
      const now = received.shouldAckNow(0)
      if (now) received.onAckSent()
      return now
    })
    expect(due).toEqual([true, false, false, true])
  })

  it("answers IMMEDIATE_ACK at once", () => {
    const received = new ReceivedPackets(Space.Application)
    received.setAckFrequency(1000, 25_000, 3)
    received.onReceived(0, true, 1000)
    received.requestImmediateAck()
    expect(received.shouldAckNow(1000)).toBe(true)
  })
})
