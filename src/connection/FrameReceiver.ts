import { keepBytes } from "../internal/keepBytes.ts"
import { printableBytes } from "../internal/printable.ts"
import type { AckFrame } from "../wire/AckFrame.ts"
import type { FrameSink, StreamFrameSink } from "../wire/FrameSink.ts"
import { FrameType } from "../wire/FrameType.ts"
import { Level, Space, spaceOfLevel } from "../wire/PacketType.ts"
import { addressOfBytes } from "../wire/SocketAddress.ts"
import { TransportError, TransportErrorCode } from "../wire/TransportError.ts"
import type { PacketBatch } from "../recovery/SentPacket.ts"
import type { ConnectionParts } from "./ConnectionParts.ts"
import type { HandshakeProgress } from "./HandshakeProgress.ts"
import type { ConnectionPath } from "./ConnectionPath.ts"
import type { IncomingPacket } from "./IncomingPacket.ts"
import { keepToken } from "./keptToken.ts"
import { minAckDelayMicros } from "./parameters.ts"
import { settleLost } from "./settleLost.ts"
import type { Strikes } from "./Strikes.ts"

type Result = TransportError | undefined

/** RFC 9000 §18.2: max_ack_delay must be lower. Microseconds. */
const MAX_ACK_DELAY_LIMIT = 2 ** 14 * 1000

/** CRYPTO limit for a client whose address is not validated: ample for a ClientHello. RFC 9000 §7.5 */
const UNVALIDATED_CRYPTO_BYTES = 16 * 1024

/**
 * Dispatches each received frame to its manager, one method per frame. Stream frames go to `streams` directly. `begin`
 * sets the packet that the frames come from.
 */
export class FrameReceiver implements FrameSink {
  readonly streams: StreamFrameSink
  private readonly parts: ConnectionParts
  private readonly progress: HandshakeProgress
  private readonly strikes: Strikes
  /** The packet being processed. */
  private packet!: IncomingPacket
  private path!: ConnectionPath
  private level: Level = Level.Initial
  private nowMicros = 0
  /** Bit mask of the levels that received CRYPTO bytes since `takeCrypto`. */
  private cryptoLevels = 0
  private ackFrequencySequence = -1
  /** PATH_RESPONSE frames that matched no challenge. */
  private strayResponses = 0

  constructor(parts: ConnectionParts, progress: HandshakeProgress) {
    this.parts = parts
    this.progress = progress
    this.streams = parts.streams.received
    this.strikes = parts.strikes
  }

  begin(packet: IncomingPacket, nowMicros: number): void {
    this.packet = packet
    this.path = packet.path
    this.level = packet.level
    this.nowMicros = nowMicros
    this.strikes.begin(packet.level === Level.OneRtt, nowMicros)
  }

  /** Whether CRYPTO bytes arrived at `level` since the last call. */
  takeCrypto(level: Level): boolean {
    const bit = 1 << level
    const seen = (this.cryptoLevels & bit) !== 0
    this.cryptoLevels &= ~bit
    return seen
  }

  onPing(): Result {
    return this.strikes.needless(FrameType.PING)
  }

  onAck(ack: AckFrame): Result {
    const { parts, nowMicros } = this
    const path = this.acknowledged(ack)
    if (path === undefined) return parts.multipath.checkId(ack.pathId, FrameType.PATH_ACK)
    const waitedMicros = nowMicros - this.packet.arrivedMicros // for its keys
    const space = spaceOfLevel(this.level)
    // RFC 9000 §19.3: scaled by the exponent the sender declared; 3 until it is known
    const exponent = space === Space.Application ? (parts.handshake.peerParameters?.ackDelayExponent ?? 3) : 3
    const raisesLargest = ack.largest > path.recovery.largestAcked(space)
    const error = path.recovery.onAck(space, ack, ack.delayRaw * 2 ** exponent, nowMicros, waitedMicros)
    if (error !== undefined) return error
    this.validateEcn(path, space, ack, raisesLargest)
    this.settleAcked(path, path.recovery.acked)
    this.settleAcked(path, path.recovery.lateAcked)
    settleLost(parts, path, path.recovery.lost, nowMicros)
    parts.multipath.silence?.onAcked(path)
    if (space === Space.Application) path.onMeasured()
    return this.strikes.oncePerPacket(FrameType.ACK)
  }

  /** The path that an ACK is about; undefined for one that is gone. draft-ietf-quic-multipath §2.3 */
  private acknowledged(ack: AckFrame): ConnectionPath | undefined {
    const isAboutPath = ack.isPathAck || (this.level === Level.OneRtt && this.parts.multipath.isNegotiated)
    return isAboutPath && ack.pathId !== this.path.id ? this.parts.paths.byId(ack.pathId) : this.path
  }

  /** RFC 9000 §13.4.2.1, §19.3 #S1; a CE mark counts as congestion. RFC 9002 §7.1 */
  private validateEcn(path: ConnectionPath, space: Space, ack: AckFrame, raisesLargest: boolean): void {
    if (path.ecn.state === "failed" || path.ecn.state === "unsupported") return
    const { acked } = path.recovery
    let marked = 0
    for (let i = 0; i < acked.length; i++) if (acked.items[i].isEcnMarked) marked++
    if (path.ecn.onAck(space, marked, ack, raisesLargest) > 0) path.recovery.onEcnCongestion(this.nowMicros)
  }

  private settleAcked(path: ConnectionPath, acked: PacketBatch): void {
    const { phases } = this.parts.keys
    for (let i = 0; i < acked.length; i++) {
      const packet = acked.items[i]
      if (packet.space === Space.Application)
        phases.onAcked(path.phaseMarks, packet.packetNumber, this.nowMicros)
      path.onPacketAcked(packet)
      this.parts.frames.onAcked(path, packet)
    }
  }

  onCrypto(offset: number, bytes: Uint8Array, start: number, end: number): Result {
    this.cryptoLevels |= 1 << this.level
    const { crypto, config, closer, handshake } = this.parts
    // the client repeats what was already answered: our answer was lost or is late
    if (
      config.role === "server" &&
      this.level !== Level.OneRtt &&
      crypto.hasRead(this.level, offset + end - start)
    )
      this.progress.retransmitEarly()
    const limit = handshake.complete ? Number.MAX_SAFE_INTEGER : config.limits.handshakeBytes
    const most = closer.isStranger ? Math.min(limit, UNVALIDATED_CRYPTO_BYTES) : limit
    const error = crypto.onCrypto(this.level, offset, bytes, start, end, most)
    // what follows the handshake are a few session tickets
    return error ?? (this.level === Level.OneRtt ? this.strikes.needless(FrameType.CRYPTO) : undefined)
  }

  onNewToken(bytes: Uint8Array, start: number, end: number): Result {
    // RFC 9000 §8.1.3 #2: only tokens from NEW_TOKEN are kept for later connections
    const token = keepToken(this.parts.versions.negotiated, bytes.subarray(start, end))
    const { events } = this.parts
    // only the newest pending token is kept: a packet has room for hundreds
    const at = events.findIndex(({ _tag }) => _tag === "newToken")
    events.splice(at < 0 ? events.length : at, 1, { _tag: "newToken", token })
    return this.strikes.needless(FrameType.NEW_TOKEN)
  }

  onNewConnectionId(
    pathId: number,
    sequence: number,
    retirePriorTo: number,
    bytes: Uint8Array,
    cidStart: number,
    cidEnd: number,
    tokenStart: number
  ): Result {
    const path = this.parts.paths.byId(pathId)
    if (path === undefined || path.status.isEnding)
      return this.parts.multipath.checkId(pathId, FrameType.PATH_NEW_CONNECTION_ID)
    const id = keepBytes(bytes, cidStart, cidEnd)
    const token = keepBytes(bytes, tokenStart, tokenStart + 16)
    const before = path.peerIds.count
    const error = path.peerIds.onNew(sequence, retirePriorTo, id, token)
    path.routes.replaceRetiredIds()
    if (error !== undefined || path.peerIds.count > before) return error
    // it made us retire others, or is a repetition
    return this.strikes.charge("connectionIds", FrameType.NEW_CONNECTION_ID)
  }

  onRetireConnectionId(pathId: number, sequence: number): Result {
    const path = this.parts.paths.byId(pathId)
    if (path === undefined || path.status.isEnding)
      return this.parts.multipath.checkId(pathId, FrameType.PATH_RETIRE_CONNECTION_ID)
    path.routes.onRetired(sequence)
    const error = path.localIds.onRetire(sequence, path === this.path ? this.packet.sequence : undefined)
    return error ?? this.strikes.charge("connectionIds", FrameType.RETIRE_CONNECTION_ID)
  }

  onPathChallenge(bytes: Uint8Array, start: number): Result {
    const { route } = this.packet
    const { strikes } = this
    // not answered either, RFC 9000 §21.9: an answer costs a datagram of 1200 bytes
    if (!strikes.isWithin("pathChallenge")) return strikes.strike("pathChallenge", FrameType.PATH_CHALLENGE)
    // RFC 9000 §8.2.2 #1 #3, §19.17: the response takes the route of the challenge
    route.validator.onChallenge(bytes.slice(start, start + 8), bytes.length)
    // RFC 9000 §9.3.3 #S1: a non-probing packet tells the peer that this is the current route
    const { parts, path } = this
    if (route === path.routes.current && parts.handshake.confirmed) parts.frames.ping.request()
    return undefined
  }

  onPathResponse(bytes: Uint8Array, start: number): Result {
    const data = bytes.slice(start, start + 8)
    for (const { migration } of this.parts.paths)
      if (migration.onResponse(data, this.nowMicros)) {
        this.parts.multipath.onResponse()
        return undefined
      }
    if (this.parts.traversal.onResponse(data, this.nowMicros)) return undefined
    // one for each challenge may be late: whoever repeats the peer's packets from other addresses makes us give up many
    if (++this.strayResponses <= this.parts.frames.challengesSent) return undefined
    return this.strikes.charge("pathResponse", FrameType.PATH_RESPONSE)
  }

  onConnectionClose(
    application: boolean,
    errorCode: number,
    frameType: number,
    bytes: Uint8Array,
    reasonStart: number,
    reasonEnd: number
  ): Result {
    const reason = printableBytes(bytes, reasonStart, reasonEnd)
    this.parts.closer.onPeerClose(
      { origin: "peer", application, code: errorCode, frameType, reason },
      this.nowMicros
    )
    return undefined
  }

  onHandshakeDone(): Result {
    const { parts } = this
    // RFC 9001 §4.1.2: a server sends it only after completing the handshake, so ours is complete as well
    if (!parts.handshake.complete)
      return new TransportError(
        TransportErrorCode.PROTOCOL_VIOLATION,
        "HANDSHAKE_DONE before the handshake is",
        FrameType.HANDSHAKE_DONE
      )
    if (parts.handshake.confirmed) return this.strikes.needless(FrameType.HANDSHAKE_DONE)
    this.progress.confirm(this.nowMicros)
    return undefined
  }

  onDatagram(bytes: Uint8Array, start: number, end: number, frameBytes: number): Result {
    return this.parts.datagrams.onDatagram(bytes, start, end, frameBytes)
  }

  onAckFrequency(sequence: number, threshold: number, maxAckDelayMicros: number, reordering: number): Result {
    // draft-ietf-quic-ack-frequency §4: the delay must be within min_ack_delay and the max_ack_delay limit
    if (
      maxAckDelayMicros < minAckDelayMicros(this.parts.config.transport) ||
      maxAckDelayMicros >= MAX_ACK_DELAY_LIMIT
    )
      return new TransportError(
        TransportErrorCode.PROTOCOL_VIOLATION,
        "ACK_FREQUENCY asks for a delay that is not allowed",
        FrameType.ACK_FREQUENCY
      )
    // §4: only the newest counts
    if (sequence > this.ackFrequencySequence) {
      this.ackFrequencySequence = sequence
      this.path.received[Space.Application].setAckFrequency(threshold, maxAckDelayMicros, reordering)
    }
    return this.strikes.needless(FrameType.ACK_FREQUENCY)
  }

  onPathAbandon(pathId: number, code: number): Result {
    const { multipath } = this.parts
    const error = multipath.checkId(pathId, FrameType.PATH_ABANDON)
    if (error !== undefined) return error
    multipath.onAbandon(pathId, code, this.nowMicros)
    return this.strikes.needless(FrameType.PATH_ABANDON)
  }

  onPathStatus(pathId: number, sequence: number, isBackup: boolean): Result {
    const { multipath } = this.parts
    const error = multipath.checkId(pathId, FrameType.PATH_STATUS_BACKUP)
    if (error !== undefined) return error
    multipath.onStatus(pathId, sequence, isBackup)
    return this.strikes.needless(FrameType.PATH_STATUS_BACKUP)
  }

  onMaxPathId(maximum: number): Result {
    const { multipath } = this.parts
    const error = multipath.onMaxPathId(maximum, FrameType.MAX_PATH_ID, this.nowMicros)
    return error ?? this.strikes.needless(FrameType.MAX_PATH_ID)
  }

  onPathsBlocked(maximum: number): Result {
    const error = this.parts.multipath.checkId(maximum, FrameType.PATHS_BLOCKED)
    return error ?? this.strikes.needless(FrameType.PATHS_BLOCKED)
  }

  onPathCidsBlocked(pathId: number, nextSequence: number): Result {
    const { multipath } = this.parts
    const type = FrameType.PATH_CIDS_BLOCKED
    const error = multipath.checkId(pathId, type) ?? multipath.onCidsBlocked(pathId, nextSequence, type)
    return error ?? this.strikes.needless(type)
  }

  onImmediateAck(): Result {
    this.path.received[Space.Application].requestImmediateAck()
    return this.strikes.needless(FrameType.IMMEDIATE_ACK)
  }

  onObservedAddress(
    sequence: number,
    bytes: Uint8Array,
    ipStart: number,
    ipEnd: number,
    port: number
  ): Result {
    const { parts, path } = this
    const seen = parts.discovery.onObserved(path.routes, sequence, bytes, ipStart, ipEnd, port)
    if (seen instanceof TransportError) return seen
    if (seen !== undefined) {
      if (!parts.events.some(({ _tag }) => _tag === "observed")) parts.events.push({ _tag: "observed" })
      parts.traversal.onObserved(seen, this.packet.route.socket)
    }
    return this.strikes.needless(FrameType.OBSERVED_ADDRESS)
  }

  onAddAddress(sequence: number, bytes: Uint8Array, ipStart: number, ipEnd: number, port: number): Result {
    return this.parts.traversal.onAddAddress(sequence, addressOfBytes(bytes, ipStart, ipEnd, port))
  }

  onReachOut(round: number, bytes: Uint8Array, ipStart: number, ipEnd: number, port: number): Result {
    return this.parts.traversal.onReachOut(round, addressOfBytes(bytes, ipStart, ipEnd, port))
  }

  onRemoveAddress(sequence: number): Result {
    return this.parts.traversal.onRemoveAddress(sequence)
  }
}
