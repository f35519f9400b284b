import { Space } from "../wire/PacketType.ts"
import { SentFrames } from "./SentFrames.ts"

/** A packet is acknowledged or declared lost once; a lost one may still be acknowledged late. */
export const PacketState = { Free: 0, Building: 1, Outstanding: 2, Acked: 3, Lost: 4, LateAcked: 5 } as const
export type PacketState = (typeof PacketState)[keyof typeof PacketState]

/**
 * A packet that was sent or is being built. Records are reused: those in a {@link PacketBatch} are valid until the next
 * `onAck`, `onTimeout` or `abandonPackets` of their path.
 */
export class SentPacket {
  packetNumber = -1
  space: Space = Space.Application
  state: PacketState = PacketState.Free
  timeSentMicros = 0
  /** Bytes of the packet: header, payload and tag. RFC 9002 A.1.1 */
  size = 0
  ackEliciting = false
  /** Whether it counts toward the bytes in flight of the current path. RFC 9002 §2 */
  inFlight = false
  /** Set by the builder: its loss is a result about its size and no sign of congestion. RFC 9000 §14.4 */
  isMtuProbe = false
  /** Set by the builder: it was sent on another route and says nothing about this one. RFC 9000 §9.4 */
  isPathProbe = false
  /** Set by the builder: it was sent with an ECT codepoint. RFC 9000 §13.4.2 */
  isEcnMarked = false
  readonly frames: SentFrames = new SentFrames()

  /** The congestion event its loss belongs to; the event is undone when all its losses prove spurious. */
  congestionEvent = 0
  /** Neighbours in the {@link PacketList} that holds it. */
  previous: SentPacket | undefined = undefined
  next: SentPacket | undefined = undefined

  // Delivery-rate state when it was sent. draft-ietf-ccwg-bbr §4.1.2.1
  delivered = 0
  deliveredMicros = 0
  firstSentMicros = 0
  isAppLimited = false
  txInFlight = 0
  lostAtSend = 0
}

/** Makes a record that of a packet to be built. */
export const beginPacket = (packet: SentPacket, space: Space, packetNumber: number): void => {
  packet.space = space
  packet.packetNumber = packetNumber
  packet.state = PacketState.Building
  packet.size = 0
  packet.ackEliciting = false
  packet.inFlight = false
  packet.isMtuProbe = false
  packet.isPathProbe = false
  packet.isEcnMarked = false
  packet.congestionEvent = 0
  packet.frames.clear()
}

/** `clear` shrinks the array to this many slots. */
const maxKeptSlots = 64

/** A reused array of packets; `items[0 … length)` are in use. */
export class PacketBatch {
  readonly items: Array<SentPacket> = []
  length = 0

  clear(): void {
    this.length = 0
    if (this.items.length > maxKeptSlots) this.items.length = 0
  }

  push(packet: SentPacket): void {
    this.items[this.length++] = packet
  }
}

/** An intrusive linked list of packets in order of their numbers. */
export class PacketList {
  first: SentPacket | undefined = undefined
  last: SentPacket | undefined = undefined
  length = 0

  push(packet: SentPacket): void {
    packet.previous = this.last
    packet.next = undefined
    if (this.last === undefined) this.first = packet
    else this.last.next = packet
    this.last = packet
    this.length++
  }

  clear(): void {
    this.first = undefined
    this.last = undefined
    this.length = 0
  }

  remove(packet: SentPacket): void {
    if (packet.previous === undefined) this.first = packet.next
    else packet.previous.next = packet.next
    if (packet.next === undefined) this.last = packet.previous
    else packet.next.previous = packet.previous
    packet.previous = undefined
    packet.next = undefined
    this.length--
  }
}
