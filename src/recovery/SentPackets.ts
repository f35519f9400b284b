import type { AckFrame } from "../wire/AckFrame.ts"
import { Space } from "../wire/PacketType.ts"
import { FrameType } from "../wire/FrameType.ts"
import { TransportError, TransportErrorCode } from "../wire/TransportError.ts"
import { type PacketBatch, PacketList, PacketState, type SentPacket, beginPacket } from "./SentPacket.ts"
import { returnRecord, takeRecord } from "./sentRecords.ts"

/** ACK-only packets tracked at once. They are never declared lost, so an unresponsive peer would let them accumulate. */
export const maxTrackedAckOnly = 256
/** ACK-only packets further than this below the largest acknowledged number are dropped. */
const ackOnlyReordering = 32
/** Lost packets kept to detect that one was acknowledged late. */
export const maxRememberedLost = 64
/** Skipped packet numbers kept to detect a peer that acknowledges packets it has not received. */
export const maxRememberedSkips = 16

/**
 * Packets sent in one packet-number space of one path and not yet acknowledged or lost. RFC 9002 A.1.
 * Processing an ACK costs its ranges, the newly acknowledged packets and the holes below them: acknowledged packets
 * are removed from the lists, so ranges reported again cost nothing.
 */
export class SentPackets {
  readonly space: Space
  /** In flight when sent, in order of packet number. Loss detection removes from the head. */
  readonly outstanding: PacketList = new PacketList()
  nextPacketNumber = 0
  /** -1 before the first ACK. */
  largestAcked = -1
  /** When the head of `outstanding` reaches the time threshold; Infinity if it has none. RFC 9002 §6.1.2 */
  lossTimeMicros: number = Number.POSITIVE_INFINITY
  lastAckElicitingSentMicros = 0
  ackElicitingInFlight = 0
  /** Packets below it were sent before a migration and say nothing about the path. RFC 9000 §9.4 */
  firstOnPath = 0

  /** Packets below it were rejected 0-RTT. */
  unreadableBelow = 0

  private readonly ackOnly = new PacketList()
  private readonly recentlyLost = new PacketList()
  private readonly skipped: Array<number> = []
  private building: SentPacket | undefined = undefined
  private isDiscarded = false

  constructor(space: Space) {
    this.space = space
  }

  /** The record of the next packet; until `commit`, further calls clear and return the same record. */
  begin(): SentPacket {
    const packet = this.building ?? takeRecord()
    this.building = packet
    beginPacket(packet, this.space, this.nextPacketNumber)
    return packet
  }

  /** Tracks the record from `begin` as sent. */
  commit(packet: SentPacket): void {
    this.building = undefined
    // RFC 9000 §12.3 #1 #2, §17.2.3 #1, §17.2.5.3 #2: a packet number is never reused
    this.nextPacketNumber = packet.packetNumber + 1
    packet.state = PacketState.Outstanding
    if (packet.inFlight) {
      this.outstanding.push(packet)
      if (packet.ackEliciting) {
        this.ackElicitingInFlight++
        this.lastAckElicitingSentMicros = packet.timeSentMicros
      }
      return
    }
    this.ackOnly.push(packet)
    const oldest = this.ackOnly.first
    if (this.ackOnly.length > maxTrackedAckOnly && oldest !== undefined) {
      this.ackOnly.remove(oldest)
      this.recycle(oldest)
    }
  }

  /** Leaves the next packet number unused; a peer that acknowledges it is misbehaving. RFC 9000 §21.4 */
  skipPacketNumber(): void {
    if (this.skipped.length === maxRememberedSkips) this.skipped.shift()
    this.skipped.push(this.nextPacketNumber++)
  }

  /**
   * Moves the packets covered by `ack` to `acked` (in flight first, then ACK-only, each in order of packet number), or
   * to `lateAcked` if declared lost before.
   */
  takeAcked(ack: AckFrame, acked: PacketBatch, lateAcked: PacketBatch): TransportError | undefined {
    // RFC 9000 §13.1 #S1: an acknowledgment of a packet that was not sent is a PROTOCOL_VIOLATION.
    if (ack.largest >= this.nextPacketNumber) {
      return new TransportError(
        TransportErrorCode.PROTOCOL_VIOLATION,
        `packet ${ack.largest} was acknowledged, and only packets below ${this.nextPacketNumber} were sent`,
        FrameType.ACK
      )
    }
    // RFC 9001 §4.6.2 #S1: a server that rejected 0-RTT must not acknowledge it
    if (ack.smallest[ack.rangeCount - 1] < this.unreadableBelow) {
      return new TransportError(
        TransportErrorCode.PROTOCOL_VIOLATION,
        "a 0-RTT packet was acknowledged, and 0-RTT had been rejected",
        FrameType.ACK
      )
    }
    for (const number of this.skipped) {
      if (covers(ack, number)) {
        // RFC 9000 §21.4: skipped numbers detect an optimistic ACK attack.
        return new TransportError(
          TransportErrorCode.PROTOCOL_VIOLATION,
          `packet ${number} was acknowledged, and its number was never used`,
          FrameType.ACK
        )
      }
    }
    this.take(this.outstanding, ack, acked, PacketState.Acked)
    this.take(this.ackOnly, ack, acked, PacketState.Acked)
    this.take(this.recentlyLost, ack, lateAcked, PacketState.LateAcked)
    if (ack.largest > this.largestAcked) this.largestAcked = ack.largest
    return undefined
  }

  private take(list: PacketList, ack: AckFrame, into: PacketBatch, state: PacketState): void {
    let packet = list.first
    let range = ack.rangeCount - 1
    while (packet !== undefined && range >= 0) {
      if (packet.packetNumber > ack.largestOf[range]) {
        range--
        continue
      }
      const next: SentPacket | undefined = packet.next
      if (packet.packetNumber >= ack.smallest[range]) {
        list.remove(packet)
        if (list === this.outstanding && packet.ackEliciting) this.ackElicitingInFlight--
        packet.state = state
        into.push(packet)
      }
      packet = next
    }
  }

  /**
   * Moves to `lost` packets sent `packetThreshold` packets or `lossDelayMicros` before an acknowledged one, and sets
   * `lossTimeMicros` for the first that may be lost later. RFC 9002 §6.1.2 #S1 #S2, A.10.
   * Packets are sent in order of number and of time, so lost ones are always at the head of the list.
   */
  takeLost(nowMicros: number, lossDelayMicros: number, packetThreshold: number, lost: PacketBatch): void {
    this.lossTimeMicros = Number.POSITIVE_INFINITY
    let packet = this.outstanding.first
    while (packet !== undefined && packet.packetNumber < this.largestAcked) {
      const lostAtMicros = packet.timeSentMicros + lossDelayMicros
      if (lostAtMicros > nowMicros && this.overtakenBy(packet.packetNumber) < packetThreshold) {
        this.lossTimeMicros = lostAtMicros
        break
      }
      const next: SentPacket | undefined = packet.next
      this.lose(packet, lost)
      packet = next
    }
    // ACK-only packets are not in flight and cannot be lost; those the peer skipped are just dropped.
    let oldest = this.ackOnly.first
    while (oldest !== undefined && oldest.packetNumber < this.largestAcked - ackOnlyReordering) {
      this.ackOnly.remove(oldest)
      this.recycle(oldest)
      oldest = this.ackOnly.first
    }
  }

  /** Moves everything outstanding to `lost`: the keys were discarded or the path was abandoned. */
  takeAll(lost: PacketBatch): void {
    for (let packet = this.outstanding.first; packet !== undefined; packet = this.outstanding.first) {
      this.lose(packet, lost)
    }
    this.lossTimeMicros = Number.POSITIVE_INFINITY
  }

  /** Drops all packets, neither acknowledged nor lost. RFC 9002 §6.4 */
  discard(): void {
    this.isDiscarded = true
    this.outstanding.clear()
    this.ackOnly.clear()
    this.recentlyLost.clear()
    this.ackElicitingInFlight = 0
    this.lastAckElicitingSentMicros = 0
    this.lossTimeMicros = Number.POSITIVE_INFINITY
  }

  recycle(packet: SentPacket): void {
    packet.state = PacketState.Free
    returnRecord(packet)
  }

  /** Distance to the largest acknowledged packet, not counting skipped numbers. RFC 9002 A.10 */
  private overtakenBy(packetNumber: number): number {
    let count = this.largestAcked - packetNumber
    for (const number of this.skipped) if (number > packetNumber && number < this.largestAcked) count--
    return count
  }

  private lose(packet: SentPacket, lost: PacketBatch): void {
    this.outstanding.remove(packet)
    if (packet.ackEliciting) this.ackElicitingInFlight--
    packet.state = PacketState.Lost
    lost.push(packet)
  }

  /** Keeps lost packets whose frames were processed, to detect a late acknowledgment. */
  rememberLost(packet: SentPacket): void {
    if (this.isDiscarded) {
      this.recycle(packet)
      return
    }
    this.recentlyLost.push(packet)
    const oldest = this.recentlyLost.first
    if (this.recentlyLost.length > maxRememberedLost && oldest !== undefined) {
      this.recentlyLost.remove(oldest)
      this.recycle(oldest)
    }
  }
}

const discarded = (space: Space): SentPackets => {
  const packets = new SentPackets(space)
  packets.discard()
  return packets
}

/** What stands for the spaces of the handshake once their keys are gone: nothing is sent in them again. */
export const discardedPackets: readonly [SentPackets, SentPackets] = [
  discarded(Space.Initial),
  discarded(Space.Handshake)
]

const covers = (ack: AckFrame, packetNumber: number): boolean => {
  for (let range = 0; range < ack.rangeCount; range++) {
    if (packetNumber > ack.largestOf[range]) return false
    if (packetNumber >= ack.smallest[range]) return true
  }
  return false
}
