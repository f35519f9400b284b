import type { RandomBytes } from "../capability/CryptoSuite.ts"
import type { PathValidator } from "../path/PathValidator.ts"
import type { Route } from "../path/Route.ts"
import type { FrameContext, FrameOwner } from "../recovery/FrameOwner.ts"
import { PacketState, type SentPacket } from "../recovery/SentPacket.ts"
import type { SentFrames } from "../recovery/SentFrames.ts"
import type { CryptoStream } from "../stream/CryptoStream.ts"
import type { DatagramQueue } from "../stream/DatagramQueue.ts"
import { DataScheduler } from "../stream/DataScheduler.ts"
import type { StreamSet } from "../stream/StreamSet.ts"
import type { ByteWriter } from "../wire/ByteWriter.ts"
import { FrameType } from "../wire/FrameType.ts"
import { writePathChallenge } from "../wire/frameWriters.ts"
import { Level, Space } from "../wire/PacketType.ts"
import type { ConnectionPath } from "./ConnectionPath.ts"
import { HandshakeDone, Ping } from "./LooseFrames.ts"
import type { CandidateFrames } from "../nat/CandidateFrames.ts"
import type { PathFrames } from "../path/PathFrames.ts"
import { answerBytes, type OffPathRoute } from "./OffPathRoutes.ts"
import type { PathSet } from "./PathSet.ts"
import { TokenOffer } from "./TokenOffer.ts"

/** Scratch shared by all connections; filled for each packet. */
const context: FrameContext = {
  level: Level.Initial,
  nowMicros: 0,
  rttMicros: 0,
  ptoMicros: 0,
  maxFrameBytes: 0,
  framesStart: 0,
  random: (length) => new Uint8Array(length)
}

/**
 * Everything with frames to send, in the order in which packets are filled (`writeFrames`):
 *
 * | owner              | writes into       | frames                                          |
 * |--------------------|-------------------|-------------------------------------------------|
 * | path.ackFrequency  | 1-RTT             | ACK_FREQUENCY                                   |
 * | route.validator    | 1-RTT             | PATH_CHALLENGE, PATH_RESPONSE                   |
 * | path observation   | 1-RTT             | OBSERVED_ADDRESS                                |
 * | `handshakeDone`    | 1-RTT             | HANDSHAKE_DONE                                  |
 * | `tokens`           | 1-RTT             | NEW_TOKEN                                       |
 * | `pathFrames`       | 1-RTT             | PATH_ABANDON, PATH_STATUS_*, MAX_PATH_ID …      |
 * | `traversal`        | 1-RTT             | ADD_ADDRESS, REACH_OUT, REMOVE_ADDRESS          |
 * | path.peerIds       | 1-RTT             | RETIRE_CONNECTION_ID                            |
 * | path.localIds      | 1-RTT             | NEW_CONNECTION_ID                               |
 * | `crypto`           | all but 0-RTT     | CRYPTO                                          |
 * | `streams`          | 0-RTT, 1-RTT      | stream and flow control frames                  |
 * | `data`             | 0-RTT, 1-RTT      | DATAGRAM and STREAM, by priority                |
 * | `ping`             | all               | PING, when there is nothing else                |
 *
 * A path that does not carry data writes the first three and PING only.
 *
 * `DatagramBuilder` writes ACK and CONNECTION_CLOSE, which are not ack-eliciting. Each owner is called by name rather
 * than from an array, which keeps these hot calls monomorphic.
 */
export class FrameOwners {
  readonly handshakeDone = new HandshakeDone()
  readonly tokens = new TokenOffer()
  readonly ping = new Ping()
  /** PATH_CHALLENGE frames on all routes, also those that were given up. */
  challengesSent = 0
  /** Packets with stream or datagram frames. */
  dataPackets = 0
  private readonly crypto: CryptoStream
  private readonly datagrams: DatagramQueue
  private readonly data: DataScheduler
  private readonly streams: StreamSet
  private readonly paths: PathSet
  private readonly pathFrames: PathFrames
  private readonly traversal: { readonly frames: CandidateFrames | undefined }
  private readonly random: RandomBytes

  constructor(
    crypto: CryptoStream,
    datagrams: DatagramQueue,
    streams: StreamSet,
    paths: PathSet,
    pathFrames: PathFrames,
    traversal: { readonly frames: CandidateFrames | undefined },
    random: RandomBytes
  ) {
    this.crypto = crypto
    this.datagrams = datagrams
    this.data = new DataScheduler(datagrams, streams)
    this.streams = streams
    this.paths = paths
    this.pathFrames = pathFrames
    this.traversal = traversal
    this.random = random
  }

  /** Whether ack-eliciting frames are pending for a packet of `level` on `path`. */
  hasFrames(level: Level, path: ConnectionPath): boolean {
    if (level === Level.OneRtt && hasOwnFrames(path)) return true
    if (!path.status.carries) return false
    const { isPassedOver } = path.status
    this.paths.filter.on(path, !isPassedOver)
    // what has a hint does not follow the scheduler
    if (isPassedOver) return level === Level.OneRtt && this.data.hasData()
    if (level !== Level.ZeroRtt && this.crypto.hasFrames(level)) return true
    if (level === Level.Initial || level === Level.Handshake) return false
    if (this.data.hasFrames()) return true
    return (
      level === Level.OneRtt &&
      (this.handshakeDone.hasFrames() ||
        this.tokens.hasFrames() ||
        this.pathFrames.hasFrames() ||
        this.hasCandidates ||
        this.paths.hasIdFrames ||
        this.ping.hasFrames())
    )
  }

  /** Whether nobody but streams with data has anything to send on `path`, the only one. Confirmed connections only. */
  hasOnlyData(path: ConnectionPath): boolean {
    return (
      path.status.carries &&
      !path.status.isPassedOver &&
      !hasOwnFrames(path) &&
      !this.handshakeDone.hasFrames() &&
      !this.tokens.hasFrames() &&
      !this.pathFrames.hasFrames() &&
      !this.hasCandidates &&
      !this.paths.hasIdFrames &&
      !this.crypto.hasFrames(Level.OneRtt) &&
      this.datagrams.sendPriority === Number.NEGATIVE_INFINITY &&
      this.hasMoreData
    )
  }

  /** Whether streams have more data, and sending has not given others something to say. */
  get hasMoreData(): boolean {
    const { streams } = this
    return (
      !streams.hasControlFrames && !this.ping.hasFrames() && streams.sendPriority > Number.NEGATIVE_INFINITY
    )
  }

  /** Stream data alone, where `hasOnlyData`. */
  writeStreamData(w: ByteWriter, sent: SentFrames): void {
    this.dataPackets++
    this.streams.writeData(w, sent, Number.NEGATIVE_INFINITY)
  }

  /** Writes all frames that fit, or else a PING. RFC 9000 §12.2 #S1 */
  writeFrames(w: ByteWriter, sent: SentFrames, level: Level, path: ConnectionPath, nowMicros: number): void {
    this.fillContext(level, path, nowMicros, w.offset)
    // RFC 9000 §12.5 #2, RFC 9221 §5, §6: only CRYPTO, ACK, PING, PADDING and CONNECTION_CLOSE in the handshake
    if (level === Level.OneRtt) this.writeControlFrames(w, sent, path)
    if (path.status.carries) this.writeDataFrames(w, sent, level, path)
    this.ping.writeFrames(w, sent, context)
  }

  /** Sends a PING on this path: others would not show the peer that it is used, or is its current route. */
  pingOn(path: Pick<ConnectionPath, "probes">): void {
    if (!this.paths.hasSeveralOpen) this.ping.request()
    else path.probes[Space.Application] = Math.max(1, path.probes[Space.Application])
  }

  private writeDataFrames(w: ByteWriter, sent: SentFrames, level: Level, path: ConnectionPath): void {
    const { crypto, data } = this
    const { isPassedOver } = path.status
    this.paths.filter.on(path, !isPassedOver)
    if (isPassedOver) {
      if (level !== Level.OneRtt || !data.hasData()) return
      this.dataPackets++
      return data.writeData(w, sent, context)
    }
    if (level !== Level.ZeroRtt && crypto.hasFrames(level)) crypto.writeFrames(w, sent, context)
    if (level === Level.OneRtt || level === Level.ZeroRtt) {
      // RFC 9221 §5.4: subject to congestion control; §5, §6: 0-RTT and 1-RTT only
      if (!data.hasFrames()) return
      this.dataPackets++
      data.writeFrames(w, sent, context)
    }
  }

  private writeControlFrames(w: ByteWriter, sent: SentFrames, path: ConnectionPath): void {
    const { handshakeDone, tokens, pathFrames } = this
    const { ackFrequency, validator, status } = path
    if (ackFrequency.hasFrames()) ackFrequency.writeFrames(w, sent)
    if (validator.hasFrames()) this.writePathFrames(validator, w, sent)
    if (hasObservation(path)) path.routes.observation!.writeFrames(w, sent)
    if (!status.carries) return
    if (handshakeDone.hasFrames()) handshakeDone.writeFrames(w, sent)
    if (tokens.hasFrames()) tokens.writeFrames(w, sent)
    if (pathFrames.hasFrames()) pathFrames.writeFrames(w, sent)
    if (this.hasCandidates) this.traversal.frames!.writeFrames(w, sent)
    // of every path: one that is not open yet has no other way
    for (const { peerIds, localIds, status } of this.paths.all) {
      if (status.isEnding) continue
      if (peerIds.hasFrames()) peerIds.writeFrames(w, sent)
      if (localIds.hasFrames()) localIds.writeFrames(w, sent)
    }
  }

  /** Only the frames that validate `route`, which need not be the current one. RFC 9000 §9.1 */
  writeProbingFrames(
    w: ByteWriter,
    sent: SentFrames,
    route: Route,
    path: ConnectionPath,
    nowMicros: number
  ): void {
    this.fillContext(Level.OneRtt, path, nowMicros, w.offset)
    this.writePathFrames(route.validator, w, sent)
  }

  private get hasCandidates(): boolean {
    return this.traversal.frames?.hasFrames() === true
  }

  /** Answers to challenges, and one of ours, at addresses that no path uses. */
  writeOffPathFrames(
    w: ByteWriter,
    sent: SentFrames,
    entry: OffPathRoute,
    path: ConnectionPath,
    nowMicros: number
  ): void {
    this.fillContext(Level.OneRtt, path, nowMicros, w.offset)
    const mayAnswer = answerBytes(entry) > 0
    const { route, probe } = entry
    if (probe?.isDue === true) {
      const data = this.random(8)
      writePathChallenge(w, data)
      probe.onSent(data, nowMicros)
      this.challengesSent++
    }
    if (mayAnswer) route.validator.writeFrames(w, sent, context)
  }

  private writePathFrames(validator: PathValidator, w: ByteWriter, sent: SentFrames): void {
    const wasDue = validator.isChallengeDue
    validator.writeFrames(w, sent, context)
    if (wasDue && !validator.isChallengeDue) this.challengesSent++
  }

  private fillContext(level: Level, path: ConnectionPath, nowMicros: number, framesStart: number): void {
    context.level = level
    context.nowMicros = nowMicros
    context.rttMicros = this.paths.rttMicros(path)
    context.ptoMicros = path.recovery.ptoMicros()
    context.maxFrameBytes = path.maxFrameBytes
    context.framesStart = framesStart
    context.random = this.random
  }

  /** A packet sent on `path` has been acknowledged. */
  onAcked(path: ConnectionPath, packet: SentPacket): void {
    const { values, length } = packet.frames
    for (let i = 0; i < length; i += 4) {
      const type = values[i]
      const a = values[i + 1]
      const b = values[i + 2]
      const c = values[i + 3]
      if (type === FrameType.ACK) this.pathOf(a, path)?.received[b as Space].onAckOfAck(c)
      else if (type === FrameType.STREAM) this.streams.onAcked(type, a, b, c)
      else this.ownerOf(type, a, path)?.onAcked(type, a, b, c)
    }
  }

  /**
   * A packet sent on `path` was lost, or is still outstanding while a probe repeats its frames: frames that must never
   * be sent twice are left alone, as the packet may still arrive. RFC 9002 §6.2.4
   */
  onLost(path: ConnectionPath, packet: SentPacket): void {
    const { values, length } = packet.frames
    for (let i = 0; i < length; i += 4) {
      const type = values[i]
      if (type === FrameType.DATAGRAM_LEN && packet.state !== PacketState.Lost) continue
      const a = values[i + 1]
      const b = values[i + 2]
      const c = values[i + 3]
      if (type === FrameType.STREAM) this.streams.onLost(type, a, b, c)
      else this.ownerOf(type, a, path)?.onLost(type, a, b, c)
    }
  }

  /** Has the frames of a packet sent on `other` too; false, without effect, if data in it is not meant for that path. */
  repeatOn(other: ConnectionPath, path: ConnectionPath, packet: SentPacket): boolean {
    this.paths.filter.on(other, true)
    const { values, length } = packet.frames
    for (let i = 0; i < length; i += 4)
      if (values[i] === FrameType.STREAM && !this.streams.isAdmitted(values[i + 1])) return false
    this.onLost(path, packet)
    return true
  }

  /** Undefined for a frame that is never retransmitted, and for one whose path is gone. */
  private ownerOf(type: number, pathId: number, path: ConnectionPath): FateOwner | undefined {
    switch (type) {
      case FrameType.HANDSHAKE_DONE:
        return this.handshakeDone
      case FrameType.NEW_TOKEN:
        return this.tokens
      case FrameType.ACK_FREQUENCY:
        return path.ackFrequency
      case FrameType.RETIRE_CONNECTION_ID:
        return this.pathOf(pathId, path)?.peerIds
      case FrameType.NEW_CONNECTION_ID:
        return this.pathOf(pathId, path)?.localIds
      case FrameType.CRYPTO:
        return this.crypto
      case FrameType.PATH_ABANDON:
      case FrameType.PATH_STATUS_BACKUP:
      case FrameType.PATH_STATUS_AVAILABLE:
      case FrameType.MAX_PATH_ID:
      case FrameType.PATHS_BLOCKED:
      case FrameType.PATH_CIDS_BLOCKED:
        return this.pathFrames
      case FrameType.ADD_ADDRESS:
      case FrameType.REACH_OUT:
      case FrameType.REMOVE_ADDRESS:
        return this.traversal.frames
      case FrameType.OBSERVED_ADDRESS:
        return this.pathOf(pathId, path)?.routes.observation
      case FrameType.DATAGRAM_LEN:
        return this.datagrams
      case FrameType.ACK:
      case FrameType.PING:
        return undefined
      default:
        return this.streams
    }
  }

  private pathOf(id: number, path: ConnectionPath): ConnectionPath | undefined {
    return path.id === id ? path : this.paths.byId(id)
  }
}

/** Whoever is told what became of a frame. */
type FateOwner = Pick<FrameOwner, "onAcked" | "onLost">

/** Frames that every path sends, also one that carries no data. */
const hasOwnFrames = (path: ConnectionPath): boolean =>
  path.ackFrequency.hasFrames() || path.validator.hasFrames() || hasObservation(path)

const hasObservation = ({ routes }: ConnectionPath): boolean =>
  routes.observation?.hasFrames(routes.current.remote) === true
