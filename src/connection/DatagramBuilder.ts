import { AckFrame } from "../wire/AckFrame.ts"
import { ByteWriter } from "../wire/ByteWriter.ts"
import {
  ackSize,
  writeAck,
  writeConnectionClose,
  writeHandshakeDone,
  writePadding,
  writePathChallenge,
  writePathResponse,
  writePing
} from "../wire/frameWriters.ts"
import { writeLongHeader, writeShortHeader } from "../wire/PacketHeader.ts"
import { packetNumberLength } from "../wire/packetNumber.ts"
import { Level, Space, spaceOfLevel } from "../wire/PacketType.ts"
import { SentFrame, type SentFrames } from "../recovery/SentFrames.ts"
import type { SentPacket } from "../recovery/SentPackets.ts"
import { minimumDatagramBytes } from "./ConnectionConfig.ts"
import type { ConnectionParts } from "./ConnectionParts.ts"
import type { ConnectionPath } from "./ConnectionPath.ts"

const TAG = 16
/** Room below which no further packet is started in a datagram: header, tag and a few frames. */
const WORTHWHILE = 96

/** A packet laid out in the datagram but not sealed yet: it may still grow by padding if it stays the last. */
interface OpenPacket {
  level: Level
  start: number
  lengthOffset: number
  packetNumberOffset: number
  packetNumberLength: number
  packetNumber: number
  payloadEnd: number
  ackEliciting: boolean
  inFlight: boolean
  sent: SentPacket | undefined
}

const newOpenPacket = (): OpenPacket => ({
  level: Level.Initial,
  start: 0,
  lengthOffset: 0,
  packetNumberOffset: 0,
  packetNumberLength: 0,
  packetNumber: 0,
  payloadEnd: 0,
  ackEliciting: false,
  inFlight: false,
  sent: undefined
})

/**
 * Fills one datagram for one path: up to four coalesced packets, laid out first and sealed last, so that padding can
 * go into whichever turns out to be the last. RFC 9000 §12.2, §14.1
 */
export class DatagramBuilder {
  /** The datagram just built must not be fragmented or counted against the path's normal size: an MTU probe. */
  private readonly parts: ConnectionParts
  private readonly w = new ByteWriter(new Uint8Array(0))
  private readonly ack = new AckFrame()
  private readonly open: ReadonlyArray<OpenPacket> = [newOpenPacket(), newOpenPacket(), newOpenPacket(), newOpenPacket()]
  private count = 0

  constructor(parts: ConnectionParts) {
    this.parts = parts
  }

  /** Writes the next datagram into `buffer` from `start`; returns its end, `start` when there is nothing to send. */
  build(buffer: Uint8Array, start: number, path: ConnectionPath, nowMicros: number): number {
    const { parts } = this
    const limit = path.sendLimit(buffer.length - start)
    if (limit < minimumDatagramBytes && limit < 40) return start
    this.count = 0
    const elicit = path.mayElicit(nowMicros)
    let end = start
    for (let level: Level = Level.Initial; level <= Level.OneRtt; level++) {
      if (parts.keys.write[level] === undefined) continue
      if (start + limit - end < WORTHWHILE && this.count > 0) break
      end = this.layOut(level as Level, path, buffer, end, start + limit, elicit, nowMicros)
    }
    if (this.count === 0) return start
    return this.finish(buffer, start, start + limit, path, nowMicros)
  }

  /** Lays out one packet at `start`; returns where the next may begin, or `start` when it had nothing to say. */
  private layOut(
    level: Level,
    path: ConnectionPath,
    buffer: Uint8Array,
    start: number,
    limit: number,
    mayElicit: boolean,
    nowMicros: number
  ): number {
    const { parts, w } = this
    const space = spaceOfLevel(level)
    const { recovery } = path
    const closing = parts.closer.pending
    const probing = recovery.probesPending(space) > 0
    const canElicit = !closing && (mayElicit || probing)
    const wantsData = canElicit && (probing || this.hasFrames(level, path))
    const received = path.received[space]
    const wantsAck = level !== Level.ZeroRtt && received.hasUnacknowledged && (wantsData || received.shouldAckNow(nowMicros))
    if (!closing && !wantsData && !wantsAck) return start

    const packet = this.open[this.count]
    const packetNumber = recovery.nextPacketNumber(space)
    const pnLength = packetNumberLength(packetNumber, recovery.largestAcked(space))
    packet.level = level
    packet.start = start
    packet.packetNumber = packetNumber
    packet.packetNumberLength = pnLength
    packet.ackEliciting = false
    w.reset(buffer, start, limit - TAG)
    const destination = path.peerIds.active
    if (level === Level.OneRtt) {
      writeShortHeader(w, destination, parts.spinBit, parts.keys.keyPhase, pnLength)
      packet.lengthOffset = -1
    } else {
      const token = level === Level.Initial ? parts.token : undefined
      packet.lengthOffset = writeLongHeader(w, level, parts.version, destination, parts.localInitialId, token, pnLength)
    }
    packet.packetNumberOffset = w.offset
    for (let i = pnLength - 1; i >= 0; i--) w.u8((packetNumber / 2 ** (8 * i)) & 0xff)
    const payloadStart = w.offset

    const sent = recovery.begin(space)
    packet.sent = sent
    if (wantsAck) {
      received.fillAck(this.ack, nowMicros, parts.config.transport.ackDelayExponent)
      if (ackSize(this.ack) <= w.remaining) {
        writeAck(w, this.ack)
        sent.frames.push(SentFrame.Ack, path.id, space, this.ack.largestOf[0])
        received.onAckSent()
      }
    }
    const beforeData = w.offset
    if (closing) writeConnectionClose(w, parts.closer.frameAt(level))
    else if (wantsData) this.writeFrames(level, path, w, sent.frames, probing, nowMicros)
    packet.ackEliciting = !closing && w.offset > beforeData
    if (w.offset === payloadStart) return start
    // RFC 9001 §5.4.2: the header-protection sample must lie inside the packet
    if (w.offset - packet.packetNumberOffset < 4) writePadding(w, 4 - (w.offset - packet.packetNumberOffset))
    packet.payloadEnd = w.offset
    packet.inFlight = packet.ackEliciting
    this.count++
    return w.offset + TAG
  }

  /** Whether `level` has ack-eliciting frames waiting. */
  private hasFrames(level: Level, path: ConnectionPath): boolean {
    const { parts } = this
    if (level !== Level.ZeroRtt && parts.crypto.hasFrames(level)) return true
    if (level !== Level.OneRtt && level !== Level.ZeroRtt) return false
    if (level === Level.OneRtt && (parts.handshakeDonePending || parts.pingPending || path.hasControlFrames())) return true
    return parts.streams.hasFrames() || parts.datagrams.hasFrames()
  }

  private writeFrames(
    level: Level,
    path: ConnectionPath,
    w: ByteWriter,
    frames: SentFrames,
    probing: boolean,
    nowMicros: number
  ): void {
    const { parts } = this
    const start = w.offset
    if (level === Level.OneRtt) this.writeControlFrames(path, w, frames, nowMicros)
    if (level !== Level.ZeroRtt && parts.crypto.hasFrames(level)) parts.crypto.writeFrames(w, frames, level)
    if (level === Level.OneRtt || level === Level.ZeroRtt) {
      if (parts.datagrams.hasFrames()) parts.datagrams.writeFrames(w, frames, path.datagramFrameLimit(parts.datagrams.peerMaxFrameBytes))
      if (parts.streams.hasFrames()) parts.streams.writeFrames(w, frames, nowMicros, path.recovery.rtt.smoothedMicros)
    }
    if (w.offset === start && (probing || parts.pingPending) && w.remaining > 0) {
      writePing(w)
      frames.push(SentFrame.Ping)
    }
    parts.pingPending = false
  }

  private writeControlFrames(path: ConnectionPath, w: ByteWriter, frames: SentFrames, nowMicros: number): void {
    const { parts } = this
    if (parts.handshakeDonePending) {
      writeHandshakeDone(w)
      frames.push(SentFrame.HandshakeDone)
      parts.handshakeDonePending = false
    }
    const response = path.validator.pollResponse()
    if (response !== undefined) writePathResponse(w, response)
    const challenge = path.validator.pollChallenge(nowMicros, parts.config.random, path.recovery.ptoMicros())
    if (challenge !== undefined) writePathChallenge(w, challenge)
    if (path.peerIds.hasFrames()) path.peerIds.writeFrames(w, frames)
    if (path.localIds.hasFrames()) path.localIds.writeFrames(w, frames)
  }

  /** Pads the last packet where the RFC wants it, seals all, and books them as sent. */
  private finish(buffer: Uint8Array, start: number, limit: number, path: ConnectionPath, nowMicros: number): number {
    const { parts, open, count } = this
    const last = open[count - 1]
    const size = last.payloadEnd + TAG - start
    if (size < minimumDatagramBytes && this.mustPad(path) && limit - start >= minimumDatagramBytes) {
      const padding = minimumDatagramBytes - size
      buffer.fill(0, last.payloadEnd, last.payloadEnd + padding)
      last.payloadEnd += padding
      last.inFlight = true // §2 of RFC 9002: packets with PADDING count as in flight
    }
    let end = start
    for (let i = 0; i < count; i++) {
      const packet = open[i]
      end = this.seal(buffer, packet)
      path.recovery.commit(
        packet.sent!,
        packet.packetNumber,
        end - packet.start,
        packet.ackEliciting,
        packet.inFlight,
        nowMicros
      )
      if (packet.ackEliciting) parts.idle.onAckElicitingSent(nowMicros)
    }
    if (parts.closer.pending) parts.closer.pending = false
    path.onDatagramSent(end - start, nowMicros)
    return end
  }

  // RFC 9000 §14.1: every Initial of a client, every ack-eliciting Initial of a server; §8.2.1: path validation
  private mustPad(path: ConnectionPath): boolean {
    for (let i = 0; i < this.count; i++) {
      const packet = this.open[i]
      if (packet.level === Level.Initial && (this.parts.config.role === "client" || packet.ackEliciting)) return true
    }
    return path.validator.takeMustExpand()
  }

  private seal(buffer: Uint8Array, packet: OpenPacket): number {
    const keys = this.parts.keys.write[packet.level]!
    if (packet.lengthOffset >= 0) {
      const length = packet.payloadEnd + TAG - packet.packetNumberOffset
      buffer[packet.lengthOffset] = 0x40 | (length >> 8)
      buffer[packet.lengthOffset + 1] = length & 0xff
    }
    return keys.seal(
      buffer,
      packet.start,
      packet.packetNumberOffset,
      packet.packetNumberLength,
      packet.payloadEnd,
      packet.packetNumber
    )
  }
}
