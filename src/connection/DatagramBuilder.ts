import { AckFrame } from "../wire/AckFrame.ts"
import type { ByteWriter } from "../wire/ByteWriter.ts"
import { ackSize, writeAck, writeConnectionClose, writePadding, writePing } from "../wire/frameWriters.ts"
import { AEAD_TAG_BYTES } from "../protect/CipherSuite.ts"
import { FrameType } from "../wire/FrameType.ts"
import { Level, Space, spaceOfLevel } from "../wire/PacketType.ts"
import { TransportError, TransportErrorCode } from "../wire/TransportError.ts"
import type { SentPacket } from "../recovery/SentPacket.ts"
import type { Ecn } from "../recovery/ReceivedPackets.ts"
import { MINIMUM_DATAGRAM_BYTES, WORTHWHILE_BYTES } from "./ConnectionConfig.ts"
import { PATH_FRAME_BYTES } from "../path/PathValidator.ts"
import type { Route } from "../path/Route.ts"
import type { ConnectionParts } from "./ConnectionParts.ts"
import type { ConnectionPath } from "./ConnectionPath.ts"
import { answerBytes, CHALLENGE_BYTES, type OffPathRoute } from "./OffPathRoutes.ts"
import { PacketLayout } from "./PacketLayout.ts"

/** Kept free beside an ACK: HANDSHAKE_DONE and both path frames, or CONNECTION_CLOSE without a reason. */
const RESERVED_BESIDE_ACK = 20
/** Room for one path frame behind the longest short header. */
const PROBE_BYTES = 1 + 20 + 4 + PATH_FRAME_BYTES + AEAD_TAG_BYTES
/** The largest value of a two-byte Length field. RFC 9000 §17.2 */
const MAX_LONG_PACKET_BYTES = 16_383
/** Datagrams of data sent before an MTU probe, so that a short request does not compete with one. */
const DATAGRAMS_BEFORE_PROBE = 10
const utf8 = new TextEncoder()

const ack = new AckFrame()
const none: ReadonlyArray<ConnectionPath> = []

/**
 * Fills one datagram for one path: up to four coalesced packets, laid out first and sealed last, so that the padding
 * can go into the last one. All have the same destination ID. RFC 9000 §12.2 #2, §14.1, RFC 9001 §4 #S1
 */
export class DatagramBuilder {
  private readonly parts: ConnectionParts
  private readonly layout: PacketLayout
  /** Whether the datagram being built has one packet so far, of stream data and nothing else. */
  private isPlain = false
  /** The datagram being built is the last flight of a client that has closed: see `owesFinished`. */
  private isFinishing = false
  /** The path of the last datagram, if all that may follow it now is more stream data. */
  private flowing: ConnectionPath | undefined = undefined

  constructor(parts: ConnectionParts) {
    this.parts = parts
    this.layout = new PacketLayout(parts)
  }

  /** The ECN mark of the datagram built last. RFC 9000 §13.4 */
  get ecn(): Ecn {
    return this.layout.ecn
  }

  /** Writes the next datagram into `buffer` from `start`; returns its end, `start` when there is nothing to send. */
  build(buffer: Uint8Array, start: number, path: ConnectionPath, nowMicros: number): number {
    const { parts, layout } = this
    this.flowing = undefined
    const limit = path.sendLimit(buffer.length - start)
    if (limit < path.routes.current.leastBytes || !path.maySend) return start
    if (!this.keysAreUsable(path, nowMicros)) {
      const exhausted = new TransportError(
        TransportErrorCode.AEAD_LIMIT_REACHED,
        "the packet keys or numbers are used up"
      )
      parts.closer.closeWithError(exhausted, nowMicros)
      return start
    }
    const elicit = path.mayElicit(nowMicros)
    // RFC 9000 §8.2.2 #2: path challenges and responses do not wait for the congestion window
    if (!elicit && path.validator.hasFrames() && !parts.closer.pending) {
      const probed = this.buildProbe(buffer, start, path, path.routes.current, nowMicros)
      if (probed > start) return probed
    }
    // otherwise a connection that always has data to send would never probe the MTU
    if (path.mtu.datagramsSinceProbe >= DATAGRAMS_BEFORE_PROBE) {
      const probed = this.buildMtuProbe(buffer, start, path, elicit, nowMicros)
      if (probed > start) return probed
    }
    layout.begin(buffer, start, path, path.routes.current)
    this.isFinishing = parts.closer.pending && this.owesFinished(limit)
    let end = start
    for (let level: Level = Level.Initial; level <= Level.OneRtt; level++) {
      if (parts.keys.write[level] === undefined) continue
      if (start + limit - end < WORTHWHILE_BYTES && layout.count > 0) break
      const most =
        level === Level.OneRtt ? start + limit : Math.min(start + limit, end + MAX_LONG_PACKET_BYTES)
      end = this.layOut(level as Level, path, end, most, elicit, nowMicros)
    }
    if (layout.count === 0) return this.buildMtuProbe(buffer, start, path, elicit, nowMicros)
    path.mtu.datagramsSinceProbe++
    end = layout.finish(start + limit, nowMicros)
    if (this.isPlain && layout.count === 1 && this.isFlowing(path)) this.flowing = path
    return end
  }

  /**
   * A client that closes before its Finished has left sends that instead of the close in Initial and Handshake packets, which
   * cannot carry the application's code: the server completes the handshake, and reads why it is over in the 1-RTT packet
   * behind. If the datagram is lost, the closes that are repeated are in Handshake packets, too. RFC 9000 §10.2.3
   */
  private owesFinished(limit: number): boolean {
    const { config, handshake, crypto, keys } = this.parts
    if (config.role !== "client" || !handshake.complete || keys.write[Level.OneRtt] === undefined)
      return false
    const bytes = crypto.unsentBytes(Level.Handshake)
    return bytes > 0 && bytes <= limit / 2
  }

  /**
   * As `build`, right after it and at the same time: nothing has arrived or expired, so what had nothing to say then has
   * nothing now, and is not asked again. Returns `start` when something else than stream data may be due.
   */
  buildNext(buffer: Uint8Array, start: number, nowMicros: number): number {
    const { layout, flowing: path } = this
    if (path === undefined) return start
    this.flowing = undefined
    if (!this.mayFlow(path, nowMicros)) return start
    const limit = path.sendLimit(buffer.length - start)
    layout.begin(buffer, start, path, path.routes.current)
    const packet = layout.open(Level.OneRtt, start, start + limit)
    this.parts.frames.writeStreamData(layout.writer, packet.sent!.frames)
    layout.close(packet, true, true)
    path.mtu.datagramsSinceProbe++
    this.flowing = path
    return layout.finish(start + limit, nowMicros)
  }

  /** Whether nobody but streams with data has anything to send, nor will before something arrives or expires. */
  private isFlowing(path: ConnectionPath): boolean {
    const { paths, handshake, frames } = this.parts
    if (paths.all.length > 1 || !handshake.confirmed || path.routes.probing !== undefined) return false
    return path.amplification.validated && frames.hasOnlyData(path)
  }

  /** What sending itself may change: credit of every kind, keys and IDs that are used up, an MTU probe that is due. */
  private mayFlow(path: ConnectionPath, nowMicros: number): boolean {
    const { mtu } = path
    if (!path.maySend || path.isRotationDue(nowMicros) || !path.mayElicit(nowMicros)) return false
    if (mtu.datagramsSinceProbe >= DATAGRAMS_BEFORE_PROBE && mtu.probeSize(nowMicros) > 0) return false
    return this.keysAreUsable(path, nowMicros) && this.parts.frames.hasMoreData
  }

  /**
   * Writes a datagram with nothing but probing frames, for a route that is not current or whose window is full.
   * Congestion control and loss detection do not track it: the validator repeats what is not answered.
   * RFC 9000 §9.1, §9.4
   */
  buildProbe(
    buffer: Uint8Array,
    start: number,
    path: ConnectionPath,
    route: Route,
    nowMicros: number
  ): number {
    const limit = Math.min(
      buffer.length - start,
      Math.max(MINIMUM_DATAGRAM_BYTES, path.mtu.current),
      route.amplification.remaining,
      route.validator.unboundBytes
    )
    if (limit < PROBE_BYTES || this.parts.keys.write[Level.OneRtt] === undefined) return start
    if (!this.keysAreUsable(path, nowMicros)) return start
    const { layout } = this
    layout.begin(buffer, start, path, route)
    const packet = layout.open(Level.OneRtt, start, start + limit)
    this.parts.frames.writeProbingFrames(layout.writer, packet.sent!.frames, route, path, nowMicros)
    packet.sent!.isPathProbe = true
    layout.close(packet, false, false)
    return layout.finish(start + limit, nowMicros)
  }

  /**
   * Writes a datagram for addresses that no path uses: a challenge of ours is not padded, as its answer validates nothing; an
   * answer is, as far as the anti-amplification limit allows. Neither is tracked. RFC 9000 §8.2.2 #5 #6
   */
  buildOffPath(
    buffer: Uint8Array,
    start: number,
    path: ConnectionPath,
    entry: OffPathRoute,
    nowMicros: number
  ): number {
    const wanted = Math.max(answerBytes(entry), entry.probe?.isDue === true ? CHALLENGE_BYTES : 0)
    const limit = Math.min(buffer.length - start, MINIMUM_DATAGRAM_BYTES, wanted)
    if (limit < CHALLENGE_BYTES || this.parts.keys.write[Level.OneRtt] === undefined) return start
    if (!this.keysAreUsable(path, nowMicros)) return start
    const { layout } = this
    // with the path's own ID, unlike a route that it may move to
    entry.route.destinationId = path.peerIds.activeId
    layout.begin(buffer, start, path, entry.route)
    const packet = layout.open(Level.OneRtt, start, start + limit)
    this.parts.frames.writeOffPathFrames(layout.writer, packet.sent!.frames, entry, path, nowMicros)
    packet.sent!.isPathProbe = true
    layout.close(packet, false, false)
    return layout.finish(start + limit, nowMicros)
  }

  /**
   * Updates the 1-RTT keys when due; false when the keys or the packet numbers are exhausted: the connection then
   * ends without another packet. RFC 9001 §6.6 #2 #3 #4 #S1, RFC 9000 §12.3 #3
   */
  private keysAreUsable(path: ConnectionPath, nowMicros: number): boolean {
    const { keys, handshake } = this.parts
    if (keys.write[Level.OneRtt] === undefined) return true
    const next = path.recovery.nextPacketNumber(Space.Application)
    return (
      next < Number.MAX_SAFE_INTEGER &&
      keys.prepareToSend(path.phaseMarks, next, handshake.confirmed, nowMicros)
    )
  }

  /** Whether ack-eliciting frames for `path` are waiting for congestion control only. */
  hasData(path: ConnectionPath): boolean {
    if (!path.maySend) return false
    const { frames, keys } = this.parts
    for (let level: Level = Level.OneRtt; level >= Level.Initial; level--)
      if (keys.write[level] !== undefined && frames.hasFrames(level as Level, path))
        return level !== Level.Initial || path.canPadInitial
    return false
  }

  /** A PING in a datagram larger than any validated so far. RFC 9000 §14.4 */
  private buildMtuProbe(
    buffer: Uint8Array,
    start: number,
    path: ConnectionPath,
    mayElicit: boolean,
    nowMicros: number
  ): number {
    const { parts } = this
    if (!parts.handshake.confirmed || !mayElicit || parts.closer.pending) return start
    const size = path.mtu.probeSize(nowMicros)
    // RFC 9000 §8.1: the anti-amplification limit holds for probes too
    if (size === 0 || start + size > buffer.length || size > path.amplification.remaining) return start
    const { layout } = this
    const w = layout.writer
    layout.begin(buffer, start, path, path.routes.current)
    const packet = layout.open(Level.OneRtt, start, start + size)
    writePing(w)
    packet.sent!.frames.push(FrameType.PING)
    path.ackFrequency.writeImmediateAck(w)
    writePadding(w, w.remaining)
    packet.sent!.isMtuProbe = true
    layout.close(packet, true, true)
    path.mtu.datagramsSinceProbe = 0
    path.mtu.onProbeSent(size, nowMicros)
    return layout.finish(start + size, nowMicros)
  }

  /** Lays out one packet at `start`; returns where the next may begin, or `start` when there was nothing to write. */
  private layOut(
    level: Level,
    path: ConnectionPath,
    start: number,
    limit: number,
    mayElicit: boolean,
    nowMicros: number
  ): number {
    const { parts, layout } = this
    const space = spaceOfLevel(level)
    // whoever can read 0-RTT can read Initial packets, which carry the close already
    if (parts.closer.pending && level === Level.ZeroRtt) return start
    const finishing = this.isFinishing && level < Level.OneRtt
    const closing = parts.closer.pending && !finishing
    const probing = path.probes[space] > 0 || this.mustUnblock(level, path)
    const canElicit =
      !closing && (mayElicit || probing || finishing) && (level !== Level.Initial || path.canPadInitial)
    // RFC 9002 §7.5 #1: probes do not wait for the window
    const wantsData = canElicit && (probing || parts.frames.hasFrames(level, path))
    // RFC 9000 §13.2.6 #1 #2 #3, §17.2.3 #3: the ACK of a space in its own packets, of 0-RTT in 1-RTT
    const received = path.received[space]
    const wantsAck =
      level !== Level.ZeroRtt &&
      (wantsData || closing
        ? // a probe repeats the ACK: the last one may have been lost
          received.hasUnacknowledged || (probing && received.largest >= 0)
        : received.shouldAckNow(nowMicros))
    const silent = level === Level.OneRtt ? parts.paths.owingAcks(path, nowMicros) : none
    if (!closing && !wantsData && !wantsAck && silent.length === 0) return start

    this.isPlain =
      level === Level.OneRtt && wantsData && !(closing || wantsAck || probing) && silent.length === 0
    const packet = layout.open(level, start, limit)
    const w = layout.writer
    const payloadStart = w.offset
    const sent = packet.sent!
    const reserved = closing || wantsData ? RESERVED_BESIDE_ACK : 0
    if (wantsAck) this.writeAck(sent, path, level, reserved, nowMicros)
    for (let i = 0; i < silent.length; i++) this.writeAck(sent, silent[i], level, reserved, nowMicros)
    const beforeData = w.offset
    // RFC 9000 §10.2.3 #S1 #S2 #S3: at every level with keys, since the peer may have those of only one
    if (closing) this.writeClose(level, w)
    else if (wantsData) {
      // draft-ietf-quic-ack-frequency §8: a probe asks for an immediate ACK
      if (probing && level === Level.OneRtt) path.ackFrequency.writeImmediateAck(w)
      parts.frames.writeFrames(w, sent.frames, level, path, nowMicros)
    }
    // RFC 9000 §12.4 #1: no packet without frames
    if (w.offset === payloadStart) return start
    // RFC 9000 §13.2.1 #5: a packet with only an ACK stays non-ack-eliciting
    const ackEliciting = !closing && w.offset > beforeData
    return layout.close(packet, ackEliciting, ackEliciting)
  }

  /** Acknowledges what arrived on `about`, which may be another path than that of the packet. RFC 9000 §13.2.3 */
  private writeAck(
    { frames }: SentPacket,
    about: ConnectionPath,
    level: Level,
    reserved: number,
    nowMicros: number
  ): void {
    const { parts } = this
    const w = this.layout.writer
    const space = spaceOfLevel(level)
    const received = about.received[space]
    received.fillAck(ack, nowMicros, parts.config.transport.ackDelayExponent)
    ack.pathId = about.id
    // draft-ietf-quic-multipath §2.3: also for the first path, once both sides know the frame
    ack.isPathAck = level === Level.OneRtt && parts.multipath.isNegotiated
    const room = w.remaining - reserved
    // the oldest ranges are omitted when not all fit
    while (ack.rangeCount > 1 && ackSize(ack) > room) ack.rangeCount--
    if (ackSize(ack) > room) return
    writeAck(w, ack)
    frames.push(FrameType.ACK, about.id, space, ack.largestOf[0])
    received.onAckSent()
    if (level === Level.OneRtt) parts.keys.phases.onAckSent(about.phaseMarks)
  }

  /**
   * Whether CRYPTO may exceed the congestion window. The data in flight may be 0-RTT, 0.5-RTT or 1-RTT packets that
   * cannot be acknowledged before the handshake proceeds. Allowed in a probe of any space, which carries the frames of
   * the others too (RFC 9002 §6.2.4), and when no timer runs that could send one.
   */
  private mustUnblock(level: Level, { probes, recovery }: ConnectionPath): boolean {
    if (level !== Level.Initial && level !== Level.Handshake) return false
    if (!this.parts.crypto.hasFrames(level)) return false
    return (
      probes[0] > 0 ||
      probes[1] > 0 ||
      probes[2] > 0 ||
      recovery.deadlineMicros() === Number.POSITIVE_INFINITY
    )
  }

  private writeClose(level: Level, w: ByteWriter): void {
    const { application, code, frameType, reason } = this.parts.closer.frameAt(level)
    writeConnectionClose(w, application, code, frameType, utf8.encode(reason)) // RFC 9000 §19.19 #S1
  }
}
