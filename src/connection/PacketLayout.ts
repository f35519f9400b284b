import type { Route } from "../path/Route.ts"
import { AEAD_TAG_BYTES } from "../protect/CipherSuite.ts"
import { Ecn } from "../recovery/ReceivedPackets.ts"
import type { SentPacket } from "../recovery/SentPacket.ts"
import { ByteWriter } from "../wire/ByteWriter.ts"
import { writePadding } from "../wire/frameWriters.ts"
import { writeLongHeader, writeShortHeader } from "../wire/PacketHeader.ts"
import { packetNumberLength } from "../wire/packetNumber.ts"
import { Level, Space, spaceOfLevel } from "../wire/PacketType.ts"
import { Coins } from "./Coins.ts"
import { MINIMUM_DATAGRAM_BYTES } from "./ConnectionConfig.ts"
import { type ConnectionParts, discardLevel } from "./ConnectionParts.ts"
import type { ConnectionPath } from "./ConnectionPath.ts"

const QUIC_BIT = 0x40
/** The least size of a packet beyond its connection ID: a stateless reset must be indistinguishable from it. */
const MIN_BYTES_AFTER_ID = 22
const none = new Uint8Array(0)

/** A packet laid out in the datagram but not sealed yet: padding may still be added to the last one. */
export interface OutgoingPacket {
  bytes: Uint8Array
  level: Level
  start: number
  /** Offset of a long header's two-byte Length field; -1 in a short header. */
  lengthOffset: number
  packetNumberOffset: number
  packetNumberLength: number
  packetNumber: number
  pathId: number
  payloadEnd: number
  ackEliciting: boolean
  inFlight: boolean
  sent: SentPacket | undefined
}

const newPacket = (): OutgoingPacket => ({
  bytes: none,
  level: Level.Initial,
  start: 0,
  lengthOffset: 0,
  packetNumberOffset: 0,
  packetNumberLength: 0,
  packetNumber: 0,
  pathId: 0,
  payloadEnd: 0,
  ackEliciting: false,
  inFlight: false,
  sent: undefined
})

/** Scratch shared by all connections; refilled by each datagram. */
const w = new ByteWriter(none)
const packets: ReadonlyArray<OutgoingPacket> = [newPacket(), newPacket(), newPacket(), newPacket()]

/**
 * Lays out the packets of one datagram: headers first, then, once all are filled, padding as the RFC requires, packet
 * protection, and the records of what was sent. All have the same destination ID. RFC 9000 §12.2 #2, §14.1
 *
 * `begin`, then `open` and `close` for each packet, its frames written in between with `writer`; then `finish`.
 */
export class PacketLayout {
  readonly writer = w
  /** Packets closed since `begin`. */
  count = 0
  /** The ECN mark of the datagram finished last. RFC 9000 §13.4 */
  ecn: Ecn = Ecn.NotEct
  private bytes: Uint8Array = none
  private start = 0
  private path!: ConnectionPath
  private route!: Route
  private readonly parts: ConnectionParts
  private readonly coins: Coins
  /** The least size of a packet. */
  private readonly leastBytes: number

  constructor(parts: ConnectionParts) {
    this.parts = parts
    this.leastBytes = MIN_BYTES_AFTER_ID + parts.localInitialId.length
    this.coins = new Coins(parts.config.random)
  }

  /** Begins a datagram at `start` that will be sent on `route` of `path`. */
  begin(bytes: Uint8Array, start: number, path: ConnectionPath, route: Route): void {
    this.bytes = bytes
    this.start = start
    this.path = path
    this.route = route
    this.count = 0
  }

  /** Writes the header of a packet that may reach `limit`, tag included. It is not sent unless it is closed. */
  open(level: Level, start: number, limit: number): OutgoingPacket {
    const { parts, bytes, route } = this
    const { recovery, skipped } = this.path
    const space = spaceOfLevel(level)
    const packet = packets[this.count]
    if (space === Space.Application && skipped.isDue(recovery.nextPacketNumber(space)))
      recovery.skipPacketNumber(space)
    const packetNumber = recovery.nextPacketNumber(space)
    const length = packetNumberLength(packetNumber, recovery.largestAcked(space))
    packet.bytes = bytes
    packet.level = level
    packet.start = start
    packet.packetNumber = packetNumber
    packet.pathId = this.path.id
    packet.packetNumberLength = length
    packet.sent = recovery.begin(space)
    w.reset(bytes, start, limit - AEAD_TAG_BYTES)
    if (level === Level.OneRtt) {
      // RFC 9000 §17.4 #1 #S1: the spin bit is not used and set at random
      writeShortHeader(w, route.destinationId.id, this.coins.toss(), parts.keys.phases.bit, length)
      packet.lengthOffset = -1
    } else {
      const { versions, localInitialId, token } = parts
      packet.lengthOffset = writeLongHeader(
        w,
        level,
        versions.ofLevel(level),
        route.destinationId.id,
        localInitialId,
        level === Level.Initial ? token : undefined,
        length
      )
    }
    // RFC 9287 §3.1: keeps middleboxes from relying on it
    if (parts.greasesBit && this.coins.toss()) bytes[start] ^= QUIC_BIT
    packet.packetNumberOffset = w.offset
    const low = packetNumber | 0 // modulo 2^32
    for (let i = length - 1; i >= 0; i--) w.u8((low >>> (8 * i)) & 0xff)
    return packet
  }

  /** The frames of the packet opened last are complete. Returns where the next packet may begin. */
  close(packet: OutgoingPacket, ackEliciting: boolean, inFlight: boolean): number {
    // RFC 9001 §5.4.2: the header-protection sample must lie inside the packet; RFC 9000 §10.3 #S2
    const least = Math.max(packet.packetNumberOffset + 4, packet.start + this.leastBytes - AEAD_TAG_BYTES)
    if (w.offset < least) writePadding(w, least - w.offset)
    packet.payloadEnd = w.offset
    packet.ackEliciting = ackEliciting
    packet.inFlight = inFlight
    this.count++
    return w.offset + AEAD_TAG_BYTES
  }

  /** Adds required padding, seals all packets, and records them as sent. Returns the datagram's end. */
  finish(limit: number, nowMicros: number): number {
    const { parts, count, path, route, start } = this
    const last = packets[count - 1]
    this.pad(last, limit)
    const isMarked = route === path.routes.current && path.ecn.marks(nowMicros)
    this.ecn = isMarked ? Ecn.Ect0 : Ecn.NotEct
    let end = start
    for (let i = 0; i < count; i++) {
      const packet = packets[i]
      const sent = packet.sent!
      if (isMarked) {
        sent.isEcnMarked = true
        path.ecn.onSent(spaceOfLevel(packet.level))
      }
      parts.config.observer?.packetSent(packet, sent.isMtuProbe, nowMicros)
      end = this.seal(packet)
      path.recovery.commit(sent, end - packet.start, packet.ackEliciting, packet.inFlight, nowMicros)
      if (!packet.ackEliciting) continue
      parts.idle.onAckElicitingSent(nowMicros)
      const space = spaceOfLevel(packet.level)
      if (path.probes[space] > 0) path.probes[space]--
    }
    if (parts.closer.pending) parts.closer.onSent(end - start)
    path.onDatagramSent(end - start, route)
    // RFC 9001 §4.9.1 #1 #2: a client has no use for Initial keys once it sends Handshake packets
    if (parts.config.role === "client" && last.level >= Level.Handshake)
      discardLevel(parts, Level.Initial, nowMicros)
    return end
  }

  private pad(last: OutgoingPacket, limit: number): void {
    const size = last.payloadEnd + AEAD_TAG_BYTES - this.start
    if (size >= MINIMUM_DATAGRAM_BYTES || !this.mustPad()) return
    if (limit - this.start < MINIMUM_DATAGRAM_BYTES) return
    const padding = MINIMUM_DATAGRAM_BYTES - size
    this.bytes.fill(0, last.payloadEnd, last.payloadEnd + padding)
    last.payloadEnd += padding
    last.inFlight = !last.sent!.isPathProbe // RFC 9002 §2: packets with PADDING count as in flight
  }

  // RFC 9000 §6 #S1, §8.1 #3, §14.1 #1 #2, RFC 9001 §9.3: every Initial of a client, every ack-eliciting Initial of a
  // server; path validation, within the anti-amplification limit: RFC 9000 §8.2.1 #2, §8.2.2 #5 #6
  private mustPad(): boolean {
    for (let i = 0; i < this.count; i++) {
      const { level, ackEliciting } = packets[i]
      if (level === Level.Initial && (this.parts.config.role === "client" || ackEliciting)) return true
    }
    return this.route.validator.takeMustExpand()
  }

  private seal({
    bytes,
    level,
    start,
    lengthOffset,
    packetNumberOffset,
    packetNumberLength,
    packetNumber,
    payloadEnd
  }: OutgoingPacket): number {
    if (lengthOffset >= 0) {
      const length = payloadEnd + AEAD_TAG_BYTES - packetNumberOffset
      bytes[lengthOffset] = 0x40 | (length >> 8)
      bytes[lengthOffset + 1] = length & 0xff
    }
    const keys = this.parts.keys.write[level]!
    const { id } = this.path
    return keys.seal(bytes, start, packetNumberOffset, packetNumberLength, payloadEnd, packetNumber, id)
  }
}
