import { RateLimit } from "../admission/RateLimit.ts"
import { FrameDecoder } from "../wire/FrameDecoder.ts"
import { FrameExtension } from "../wire/FrameType.ts"
import { type PacketHeader, parsePacketHeader } from "../wire/PacketHeader.ts"
import { decodePacketNumber } from "../wire/packetNumber.ts"
import { otherRole } from "../wire/Role.ts"
import { Level, PacketType, spaceOfLevel, type Version } from "../wire/PacketType.ts"
import { TransportError, TransportErrorCode } from "../wire/TransportError.ts"
import { MINIMUM_DATAGRAM_BYTES, type TransportSettings } from "./ConnectionConfig.ts"
import type { ConnectionParts } from "./ConnectionParts.ts"
import { type FirstFlight, LATE } from "./FirstFlight.ts"
import type { HandshakeProgress } from "./HandshakeProgress.ts"
import type { DropReason } from "./PacketObserver.ts"
import type { ConnectionPath } from "./ConnectionPath.ts"
import type { PacketKeys } from "../protect/PacketKeys.ts"
import type { Ecn } from "../recovery/ReceivedPackets.ts"
import { CHANGED_ID, Discards } from "./Discards.ts"
import { FrameReceiver } from "./FrameReceiver.ts"
import { IncomingPacket } from "./IncomingPacket.ts"
import { PacketCounters } from "./PacketCounters.ts"
import { INITIAL_DESTINATION } from "../path/LocalConnectionIds.ts"
import type { Route } from "../path/Route.ts"

/** Datagrams buffered until their keys are available. RFC 9001 §4.1.4 #S1, §5.7 */
const MAX_EARLY_PACKETS = 16
/** Limit of all buffered bytes; raised where we send larger datagrams first, so that two always fit. */
const MIN_EARLY_BYTES = 32 * 1024

interface EarlyPacket {
  readonly level: Level
  readonly bytes: Uint8Array
  readonly ecn: Ecn
  readonly arrivedMicros: number
  readonly path: ConnectionPath
  readonly sequence: number
  readonly route: Route
}

/** Why a packet is dropped before it is opened. */
type PlainDrop = Exclude<DropReason, "duplicate" | "decryption_failure">

/** Scratch shared by all connections, for packets that waited for their keys. */
const replayed = new IncomingPacket()

/**
 * From datagrams to frames: splits coalesced packets, removes protection, drops duplicates, and only then processes
 * the frames. Anything that fails earlier is dropped silently.
 */
export class PacketReceiver {
  readonly frames: FrameReceiver
  readonly discards = new Discards()
  readonly counters = new PacketCounters()
  private readonly parts: ConnectionParts
  private readonly progress: HandshakeProgress
  /** Undefined for a server, which discards Retry and Version Negotiation. */
  private readonly firstFlight: FirstFlight | undefined
  private readonly decoder: FrameDecoder
  /** Undefined for none. */
  private readonly limit: RateLimit | undefined
  private early: Array<EarlyPacket> = []
  private earlyBytes = 0
  /** server: datagrams of the unfinished handshake. */
  private handshakeDatagrams = 0

  constructor(parts: ConnectionParts, progress: HandshakeProgress, firstFlight: FirstFlight | undefined) {
    const { role, transport, limits } = parts.config
    const { peerPacketsPerSecond, peerPacketsAtOnce } = limits
    this.parts = parts
    if (peerPacketsPerSecond > 0) this.limit = new RateLimit(peerPacketsPerSecond, peerPacketsAtOnce)
    this.progress = progress
    this.firstFlight = firstFlight
    this.frames = new FrameReceiver(parts, progress)
    // RFC 9221 §3 #3: DATAGRAM frames are an error unless we advertised support
    const { none, all, datagram, multipath, addressDiscovery, natTraversal } = FrameExtension
    const unsupported =
      ((transport.maxRemoteCandidates ?? 0) > 0 && (transport.maxPaths ?? 1) > 1 ? none : natTraversal) |
      (isTold(transport) ? none : addressDiscovery) |
      (transport.maxDatagramFrameBytes > 0 ? none : datagram) |
      ((transport.maxPaths ?? 1) > 1 ? none : multipath)
    this.decoder = new FrameDecoder(otherRole(role), all & ~unsupported)
  }

  /** Whether a datagram is within the limit of an established peer, or of a handshake: asked before anything is spent. */
  isWithinLimit({ header, bytes }: IncomingPacket, nowMicros: number): boolean {
    const { limit, parts } = this
    const { state } = parts.lifecycle
    if (state === "established" && (limit === undefined || limit.take(nowMicros))) return true
    if (state !== "established" && this.isWithinHandshake(header.type)) return true
    this.counters.overLimit++
    parts.config.observer?.packetDropped(header.type, bytes.length, "rejected", "over the limit", nowMicros)
    return false
  }

  /** Counts a datagram of a client whose handshake is incomplete. 0-RTT data has flow control instead. */
  private isWithinHandshake(type: PacketType): boolean {
    const { config, lifecycle } = this.parts
    if (config.role === "client" || lifecycle.state !== "handshaking") return true
    if (type !== PacketType.Initial && type !== PacketType.Handshake) return true
    return ++this.handshakeDatagrams <= config.limits.handshakeDatagrams
  }

  /**
   * Processes the packets of a datagram, those with keys while others wait for theirs (RFC 9001 §4.1.4 #S2); true when
   * at least one was authentic. `packet` holds the datagram and its first header. RFC 9000 §12.2 #1 #3 #4
   */
  onDatagram(packet: IncomingPacket, nowMicros: number): boolean {
    const { parts } = this
    const { bytes, header } = packet
    const { dcidStart, dcidEnd } = header
    const idLength = parts.localInitialId.length
    packet.start = 0
    let isAuthentic = this.onPacket(packet, nowMicros)
    while (header.end < bytes.length && parts.closer.reason === undefined) {
      packet.start = header.end
      // RFC 9287 §3: we advertise grease_quic_bit, so the bit means nothing
      if (!parsePacketHeader(bytes, packet.start, bytes.length, idLength, header, true)) {
        this.counters.malformed++
        break
      }
      // RFC 9000 §12.2 #S2: coalesced packets share a destination ID
      if (!sameSlices(bytes, dcidStart, dcidEnd, header.dcidStart, header.dcidEnd))
        this.drop(packet, "rejected", "to another Connection ID than the one before", nowMicros)
      else if (this.onPacket(packet, nowMicros)) isAuthentic = true
    }
    return isAuthentic
  }

  /** Processes the buffered packets, each on the route it arrived on, as far as their keys are available now. */
  replayEarly(nowMicros: number): void {
    if (this.early.length > 0) this.replay(nowMicros)
  }

  /** Not in `replayEarly`, which each datagram calls: a function with closures allocates their context first of all. */
  private replay(nowMicros: number): void {
    const { keys } = this.parts
    const ready = this.early.filter((packet) => keys.read[packet.level] !== undefined)
    this.early = this.early.filter(
      ({ level }) => keys.read[level] === undefined && this.progress.expectsKeys(level)
    )
    this.earlyBytes = this.early.reduce((sum, packet) => sum + packet.bytes.length, 0)
    const idLength = this.parts.localInitialId.length
    for (const { bytes, ecn, arrivedMicros, path, sequence, route } of ready) {
      Object.assign(replayed, { bytes, ecn, arrivedMicros, path, sequence, route })
      parsePacketHeader(bytes, 0, bytes.length, idLength, replayed.header, true)
      if (this.parts.closer.reason === undefined) this.onDatagram(replayed, nowMicros)
    }
    replayed.release()
  }

  private onPacket(packet: IncomingPacket, nowMicros: number): boolean {
    const { parts, firstFlight } = this
    const { header, bytes } = packet
    const { type } = header
    if (type === PacketType.VersionNegotiation) {
      const refusal = firstFlight === undefined ? LATE : firstFlight.onVersionNegotiation(packet, nowMicros)
      return refusal !== undefined && this.drop(packet, "rejected", refusal, nowMicros)
    }
    // RFC 9000 §5.2.1
    if (type !== PacketType.OneRtt && !parts.versions.admits(type, header.version))
      return this.drop(packet, "rejected", "of another version", nowMicros)
    if (type === PacketType.Retry) {
      const refusal = firstFlight === undefined ? LATE : firstFlight.onRetry(packet, nowMicros)
      return refusal !== undefined && this.drop(packet, "rejected", refusal, nowMicros)
    }
    const level = (packet.level = type as Level)
    // RFC 9000 §7.2 #2: a client that has heard from us uses our connection ID
    if (packet.sequence === INITIAL_DESTINATION && level !== Level.Initial && level !== Level.ZeroRtt)
      return this.drop(packet, "rejected", "to a Connection ID that is not ours", nowMicros)
    if (level === Level.Initial && !this.isFitInitial(header, bytes.length))
      return this.drop(packet, "invalid", "of type Initial that violates the rules for its sender", nowMicros)
    const keys =
      level === Level.Initial ? parts.keys.readInitial(header.version as Version) : parts.keys.read[level]
    if (keys === undefined) {
      this.keepForLater(packet, nowMicros)
      return false
    }
    return this.onSealed(packet, keys, nowMicros)
  }

  /** Processes a packet for which there are keys. True when it is authentic and valid. */
  private onSealed(packet: IncomingPacket, keys: PacketKeys, nowMicros: number): boolean {
    const { parts, counters } = this
    const { bytes, start, level, path } = packet
    const { packetNumberOffset, end } = packet.header
    const length = (packet.packetNumberLength = keys.unmask(bytes, start, packetNumberOffset, end))
    if (length === 0) return this.drop(packet, "invalid", "too short to be sealed", nowMicros) // RFC 9000 §10.3 #3
    const received = path.received[spaceOfLevel(level)]
    const packetNumber = readPacketNumber(bytes, packetNumberOffset, length, received.largest)
    packet.packetNumber = packetNumber
    const failure = parts.keys.open(keys, packet, nowMicros)
    if (failure !== undefined) {
      counters.undecryptable++
      this.observeDrop(packet, "decryption_failure", "sealed with other keys", nowMicros)
      if (failure instanceof TransportError) parts.closer.closeWithError(failure, nowMicros)
      return false
    }
    // RFC 9000 §12.3 #4 #5: after decryption, or timing would reveal which packet numbers were received
    if (received.isDuplicate(packetNumber)) {
      counters.duplicates++
      this.observeDrop(packet, "duplicate", undefined, nowMicros)
      return false
    }
    // RFC 9000 §17.2 #7, §17.3.1 #3: reserved bits are checked after header protection is removed
    if ((bytes[start] & (level === Level.OneRtt ? 0x18 : 0x0c)) !== 0) {
      const error = new TransportError(TransportErrorCode.PROTOCOL_VIOLATION, "reserved header bits are set")
      parts.closer.closeWithError(error, nowMicros)
      return this.drop(packet, "invalid", "with reserved bits set", nowMicros)
    }
    if (!this.progress.onAuthenticated(packet, nowMicros))
      return this.drop(packet, "invalid", CHANGED_ID, nowMicros)
    this.discards.clear()
    counters.received++
    parts.config.observer?.packetReceived(packet, nowMicros)
    const error = this.onAuthentic(packet, nowMicros)
    // RFC 9000 §5.2 #1: the effects of earlier frames cannot be undone, so the connection closes
    if (error !== undefined) parts.closer.closeWithError(error, nowMicros)
    return true
  }

  private onAuthentic(packet: IncomingPacket, nowMicros: number): TransportError | undefined {
    const { parts, decoder, frames } = this
    const { path, level, packetNumber } = packet
    frames.begin(packet, nowMicros)
    const error = decoder.decode(packet.bytes, packet.payloadStart, packet.payloadEnd, level, frames)
    if (error !== undefined) return error
    const received = path.received[spaceOfLevel(level)]
    // RFC 9000 §13.1: only now does it count as received; §7.5 #3: even if its frames were discarded
    // §13.2.5 #S1: the reported delay includes the wait for keys
    received.onReceived(packetNumber, decoder.ackEliciting, packet.arrivedMicros, packet.ecn)
    if (level === Level.OneRtt && packetNumber === received.largest && !decoder.probingOnly)
      onNewest(packet, nowMicros)
    parts.idle.onReceived(nowMicros)
    if (decoder.ackEliciting) parts.awaited.onArrival()
    // a ClientHello followed by a close is not worth the cost of an answer
    if (parts.closer.reason !== undefined) return undefined
    for (let cryptoLevel: Level = Level.Initial; cryptoLevel <= Level.OneRtt; cryptoLevel++)
      if (frames.takeCrypto(cryptoLevel as Level)) {
        const failure = this.progress.advance(cryptoLevel as Level, nowMicros)
        if (failure !== undefined) return failure
      }
    return undefined
  }

  private isFitInitial({ tokenStart, tokenEnd }: PacketHeader, datagramBytes: number): boolean {
    return this.parts.config.role === "server"
      ? datagramBytes >= MINIMUM_DATAGRAM_BYTES // RFC 9000 §14 #4, §14.1 #3, §8.2.1 #4: only these packets
      : tokenEnd === tokenStart // RFC 9000 §17.2.2 #1: servers send no token
  }

  private keepForLater(packet: IncomingPacket, nowMicros: number): void {
    const { level, ecn, path, sequence, route, start, end } = packet
    // discarded keys never come back
    const room = Math.max(MIN_EARLY_BYTES, 2 * this.parts.config.transport.initialDatagramBytes)
    const hasRoom = this.early.length < MAX_EARLY_PACKETS && this.earlyBytes + end - start <= room
    if (!hasRoom || !this.progress.expectsKeys(level)) {
      this.drop(packet, "key_unavailable", "without keys for them", nowMicros)
      return
    }
    const bytes = packet.bytes.slice(start, end)
    this.earlyBytes += bytes.length
    this.early.push({ level, bytes, ecn, arrivedMicros: nowMicros, path, sequence, route })
    // the server's Initial packets, from which these keys derive, were lost
    if (level === Level.Handshake) this.progress.retransmitEarly()
  }

  private drop(packet: IncomingPacket, reason: PlainDrop, why: string, nowMicros: number): false {
    const { counters } = this
    if (reason === "invalid") counters.malformed++
    else if (reason === "rejected") counters.rejected++
    else counters.withoutKeys++
    this.observeDrop(packet, reason, why, nowMicros)
    return false
  }

  private observeDrop(
    { header, start }: IncomingPacket,
    reason: DropReason,
    why: string | undefined,
    nowMicros: number
  ): void {
    const { parts } = this
    if (why !== undefined && !parts.handshake.confirmed) this.discards.note(why)
    parts.config.observer?.packetDropped(header.type, header.end - start, reason, why, nowMicros)
  }
}

/** Whether we asked for OBSERVED_ADDRESS. */
const isTold = ({ addressDiscovery = "none" }: TransportSettings): boolean =>
  addressDiscovery === "receive" || addressDiscovery === "both"

/** Whether `bytes[start, end)` and `bytes[otherStart, otherEnd)` are equal. */
const sameSlices = (
  bytes: Uint8Array,
  start: number,
  end: number,
  otherStart: number,
  otherEnd: number
): boolean => {
  if (end - start !== otherEnd - otherStart) return false
  for (let i = 0; i < end - start; i++) if (bytes[start + i] !== bytes[otherStart + i]) return false
  return true
}

const readPacketNumber = (bytes: Uint8Array, at: number, length: number, largest: number): number => {
  let truncated = 0
  for (let i = 0; i < length; i++) truncated = truncated * 256 + bytes[at + i]
  return decodePacketNumber(largest, truncated, length)
}

/** The newest 1-RTT packet so far, a non-probing one, was processed. RFC 9000 §9.3 */
const onNewest = ({ path, route }: IncomingPacket, nowMicros: number): void => {
  const { routes, migration, status } = path
  if (status.isEnding) return
  if (route !== routes.current || routes.fallback !== undefined) migration.onNewest(route, nowMicros)
}
