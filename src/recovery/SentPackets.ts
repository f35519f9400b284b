import type { AckFrame } from "../wire/AckFrame.ts"
import type { Space } from "../wire/PacketType.ts"
import { FrameType } from "../wire/FrameType.ts"
import { TransportError, TransportErrorCode } from "../wire/TransportError.ts"
import { type PacketBatch, PacketList, PacketState, SentPacket } from "./SentPacket.ts"

/** ACK-only packets remembered at once: they are never lost, so a peer that acknowledges none must not pile them up. */
export const maxTrackedAckOnly = 256
/** How far below the largest acknowledged number an ACK-only packet is still waited for. */
const ackOnlyReordering = 32
/** Lost packets remembered to notice that one arrived after all. */
export const maxRememberedLost = 64
/** Records kept for packets to come: what a burst takes, and not all that a large window ever had in flight. */
const maxSpareRecords = 64
/** Skipped packet numbers remembered to catch a peer that acknowledges what it cannot have received. */
export const maxRememberedSkips = 16

/**
 * What was sent in one packet-number space of one path and is not yet settled. RFC 9002 A.1.
 * An ACK costs its ranges plus the packets it newly acknowledges plus the holes below: acknowledged packets leave the
 * lists, so ranges that repeat old news cost nothing.
 */
export class SentPackets {
  readonly space: Space
  /** In flight when sent, in the order of their numbers. Loss detection takes from its head. */
  readonly outstanding: PacketList = new PacketList()
  nextPacketNumber = 0
  /** -1 before the first ACK. */
  largestAcked = -1
  /** Infinity, or when the head of `outstanding` becomes lost by time. RFC 9002 §6.1.2 */
  lossTimeMicros: number = Number.POSITIVE_INFINITY
  lastAckElicitingSentMicros = 0
  ackElicitingInFlight = 0
  /** Packets below it were sent before a migration and say nothing about the path. RFC 9000 §9.4 */
  firstOnPath = 0

  /** Packets below it were of 0-RTT that was rejected. */
  unreadableBelow = 0

  private readonly ackOnly = new PacketList()
  private readonly recentlyLost = new PacketList()
  private readonly skipped: Array<number> = []
  private readonly pool: Array<SentPacket>
  private building: SentPacket | undefined = undefined
  private isDiscarded = false

  constructor(space: Space, pool: Array<SentPacket>) {
    this.space = space
    this.pool = pool
  }

  /** The record of the next packet; asked again before `commit`, the same one, cleared. */
  begin(): SentPacket {
    const packet = this.building ?? this.pool.pop() ?? new SentPacket()
    this.building = packet
    packet.reset(this.space, this.nextPacketNumber)
    return packet
  }

  /** Takes the record that `begin` gave: its packet has left. */
  commit(packet: SentPacket): void {
    this.building = undefined
    // RFC 9000 §12.3 #1 #2, §17.2.3 #1, §17.2.5.3 #2: whatever becomes of the packet, its number has been used
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

  /** Leaves the next packet number unused. A peer that acknowledges it lies. RFC 9000 §21.4 */
  skipPacketNumber(): void {
    if (this.skipped.length === maxRememberedSkips) this.skipped.shift()
    this.skipped.push(this.nextPacketNumber++)
  }

  /**
   * Moves what `ack` covers from the lists to `acked` (in flight first, then ACK-only, each in order of number)
   * or, when it was declared lost before, to `lateAcked`.
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
    // RFC 9001 §4.6.2 #S1: who has rejected 0-RTT acknowledges none of it
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
   * Moves to `lost` what was sent `packetThreshold` packets or `lossDelayMicros` before a packet that was
   * acknowledged, and sets `lossTimeMicros` for the first that may be lost later. RFC 9002 §6.1.2 #S1 #S2, A.10.
   * Packets leave in order of number and of time, so the lost ones are always the head of the list.
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
    // ACK-only packets are not in flight and cannot be lost; those the peer passed over are merely forgotten.
    let oldest = this.ackOnly.first
    while (oldest !== undefined && oldest.packetNumber < this.largestAcked - ackOnlyReordering) {
      this.ackOnly.remove(oldest)
      this.recycle(oldest)
      oldest = this.ackOnly.first
    }
  }

  /** Moves everything outstanding to `lost`: the keys, or the path, are gone. */
  takeAll(lost: PacketBatch): void {
    for (let packet = this.outstanding.first; packet !== undefined; packet = this.outstanding.first) {
      this.lose(packet, lost)
    }
    this.lossTimeMicros = Number.POSITIVE_INFINITY
  }

  /** Forgets everything without a trace. RFC 9002 §6.4 */
  discard(): void {
    this.isDiscarded = true
    this.outstanding.clear()
    this.ackOnly.clear()
    this.recentlyLost.clear()
    // records that a handshake has filled with frames are larger than an idle connection needs
    this.pool.length = 0
    this.ackElicitingInFlight = 0
    this.lastAckElicitingSentMicros = 0
    this.lossTimeMicros = Number.POSITIVE_INFINITY
  }

  recycle(packet: SentPacket): void {
    packet.state = PacketState.Free
    if (this.pool.length < maxSpareRecords) this.pool.push(packet)
  }

  /** How many later packets overtook `packetNumber`; numbers that were skipped did not. RFC 9002 A.10 */
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

  /** Keeps lost packets whose frames the owner has dealt with, to notice a late arrival. */
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

const covers = (ack: AckFrame, packetNumber: number): boolean => {
  for (let range = 0; range < ack.rangeCount; range++) {
    if (packetNumber > ack.largestOf[range]) return false
    if (packetNumber >= ack.smallest[range]) return true
  }
  return false
}
