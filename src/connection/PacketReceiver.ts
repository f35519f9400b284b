import { type FrameExtensions, FrameDecoder } from "../wire/FrameDecoder.ts"
import { PacketHeader, parsePacketHeader } from "../wire/PacketHeader.ts"
import { decodePacketNumber } from "../wire/packetNumber.ts"
import { Level, PacketType, spaceOfLevel, type Version } from "../wire/PacketType.ts"
import { TransportError, TransportErrorCode } from "../wire/TransportError.ts"
import { MINIMUM_DATAGRAM_BYTES } from "./ConnectionConfig.ts"
import type { ConnectionParts } from "./ConnectionParts.ts"
import type { DropReason } from "./ConnectionObserver.ts"
import type { ConnectionPath } from "./ConnectionPath.ts"
import { AEAD_TAG_BYTES } from "../protect/CipherSuite.ts"
import type { PacketKeys } from "../protect/PacketKeys.ts"
import type { Ecn } from "../recovery/ReceivedPackets.ts"
import { CHANGED_ID, Discards } from "./Discards.ts"
import { FrameReceiver } from "./FrameReceiver.ts"

/** Datagrams that came before their keys, kept until the keys are there. RFC 9001 §4.1.4 #S1, §5.7 */
const MAX_EARLY_PACKETS = 16
/** Of all of them together; more where this side begins with larger datagrams, so that two always fit. */
const MIN_EARLY_BYTES = 32 * 1024

interface EarlyPacket {
  readonly level: Level
  readonly bytes: Uint8Array
  readonly ecn: Ecn
  readonly arrivedMicros: number
}

export interface PacketCounters {
  received: number
  /** Not for us, malformed, or without keys. */
  dropped: number
  duplicates: number
  /** Authentication failed. */
  undecryptable: number
}

/** Of the packet at hand, whosever it is. */
const header = new PacketHeader()

/**
 * From a datagram to frames: splits coalesced packets, removes protection, drops duplicates, and only then lets
 * the frames of an authenticated packet have any effect. Whatever fails before that point is dropped in silence.
 */
export class PacketReceiver {
  readonly frames: FrameReceiver
  readonly discards = new Discards()
  readonly counters: PacketCounters = { received: 0, dropped: 0, duplicates: 0, undecryptable: 0 }
  private readonly parts: ConnectionParts
  private readonly decoder: FrameDecoder
  private early: Array<EarlyPacket> = []
  private earlyBytes = 0
  /** How long the packet at hand has waited for its keys. */
  private waitedMicros = 0

  constructor(parts: ConnectionParts, extensions: FrameExtensions) {
    this.parts = parts
    this.frames = new FrameReceiver(parts)
    this.decoder = new FrameDecoder(extensions)
  }

  /**
   * Handles every packet of a datagram, those with keys while others wait for theirs (RFC 9001 §4.1.4 #S2); true when at
   * least one was authentic. RFC 9000 §12.2 #1 #3 #4
   */
  onDatagram(bytes: Uint8Array, path: ConnectionPath, ecn: Ecn, nowMicros: number): boolean {
    const { parts } = this
    const idLength = parts.localInitialId.length
    let authentic = false
    let firstStart = 0
    let firstEnd = 0
    let offset = 0
    while (offset < bytes.length && parts.closer.reason === undefined) {
      // RFC 9287 §3: we advertise grease_quic_bit, so the bit means nothing
      if (!parsePacketHeader(bytes, offset, bytes.length, idLength, header, true)) break
      const { end } = header
      if (offset === 0) {
        firstStart = header.dcidStart
        firstEnd = header.dcidEnd
      }
      // RFC 9000 §12.2 #S2: all packets of a datagram are for one addressee
      if (!sameId(bytes, firstStart, firstEnd, header.dcidStart, header.dcidEnd))
        this.drop(offset, "rejected", "to another Connection ID than the one before", nowMicros)
      else if (this.onPacket(bytes, offset, path, ecn, nowMicros)) authentic = true
      offset = end
    }
    return authentic
  }

  /** Takes up the packets whose keys have since been installed. */
  replayEarly(path: ConnectionPath, nowMicros: number): void {
    if (this.early.length === 0) return
    const { keys } = this.parts
    const ready = this.early.filter((packet) => keys.read[packet.level] !== undefined)
    this.early = this.early.filter(
      ({ level }) => keys.read[level] === undefined && this.parts.expectsKeys(level)
    )
    this.earlyBytes = this.early.reduce((sum, packet) => sum + packet.bytes.length, 0)
    for (const packet of ready) {
      this.waitedMicros = nowMicros - packet.arrivedMicros
      this.onDatagram(packet.bytes, path, packet.ecn, nowMicros)
    }
    this.waitedMicros = 0
  }

  private onPacket(
    bytes: Uint8Array,
    start: number,
    path: ConnectionPath,
    ecn: Ecn,
    nowMicros: number
  ): boolean {
    const { parts } = this
    const type = header.type
    if (type === PacketType.VersionNegotiation) {
      const refusal = parts.onVersionNegotiation(bytes, header, nowMicros)
      return refusal !== undefined && this.drop(start, "rejected", refusal, nowMicros)
    }
    // RFC 9000 §5.2.1
    if (type !== PacketType.OneRtt && !parts.versions.admits(type, header.version))
      return this.drop(start, "rejected", "of another version", nowMicros)
    if (type === PacketType.Retry) {
      const refusal = parts.onRetry(bytes, start, header, nowMicros)
      return refusal !== undefined && this.drop(start, "rejected", refusal, nowMicros)
    }
    const level = type as Level
    if (!parts.isAddressee(level, bytes, header.dcidStart, header.dcidEnd))
      return this.drop(start, "rejected", "to a Connection ID that is none of ours", nowMicros)
    if (level === Level.Initial && !this.isFitInitial(bytes.length))
      return this.drop(start, "invalid", "that no peer may send as an Initial", nowMicros)
    const keys =
      level === Level.Initial ? parts.keys.readInitial(header.version as Version) : parts.keys.read[level]
    if (keys === undefined) {
      this.keepForLater(bytes, start, level, ecn, nowMicros)
      return false
    }
    return this.onSealed(bytes, start, path, level, keys, ecn, nowMicros)
  }

  /** A packet that is for us, and there are keys for it. True when it was authentic, and could be taken. */
  private onSealed(
    bytes: Uint8Array,
    start: number,
    path: ConnectionPath,
    level: Level,
    keys: PacketKeys,
    ecn: Ecn,
    nowMicros: number
  ): boolean {
    const { parts, counters } = this
    const { packetNumberOffset, end } = header
    const pnLength = keys.unmask(bytes, start, packetNumberOffset, end)
    if (pnLength === 0) return this.drop(start, "invalid", "too short to be sealed", nowMicros) // RFC 9000 §10.3 #3
    const received = path.received[spaceOfLevel(level)]
    const packetNumber = readPacketNumber(bytes, packetNumberOffset, pnLength, received.largest)
    const failure =
      level === Level.OneRtt
        ? parts.keys.openOneRtt(
            bytes,
            start,
            packetNumberOffset,
            pnLength,
            end,
            packetNumber,
            path.id,
            nowMicros,
            path.recovery.ptoMicros()
          )
        : keys.open(bytes, start, packetNumberOffset, pnLength, end, packetNumber, path.id)
          ? undefined
          : parts.keys.failed(keys)
    if (failure !== undefined) {
      counters.undecryptable++
      this.observeDrop(start, "decryption_failure", "sealed with other keys", nowMicros)
      if (failure instanceof TransportError) parts.closer.closeWithError(failure, nowMicros)
      return false
    }
    // RFC 9000 §12.3 #4 #5: only now, or the time taken would tell which packet numbers have been received
    if (received.isDuplicate(packetNumber)) {
      counters.duplicates++
      this.observeDrop(start, "duplicate", undefined, nowMicros)
      return false
    }
    // RFC 9000 §17.2 #7, §17.3.1 #3: reserved bits are checked once protection is off
    if ((bytes[start] & (level === Level.OneRtt ? 0x18 : 0x0c)) !== 0) {
      const error = new TransportError(TransportErrorCode.PROTOCOL_VIOLATION, "reserved header bits are set")
      parts.closer.closeWithError(error, nowMicros)
      return this.drop(start, "invalid", "with reserved bits set", nowMicros)
    }
    if (!parts.onAuthenticated(level, path, bytes, header, nowMicros))
      return this.drop(start, "invalid", CHANGED_ID, nowMicros)
    this.discards.clear()
    counters.received++
    parts.config.observer?.packetReceived(
      bytes,
      start,
      packetNumberOffset,
      pnLength,
      end - AEAD_TAG_BYTES,
      level,
      packetNumber,
      nowMicros
    )
    const error = this.onAuthentic(bytes, path, level, packetNumber, pnLength, ecn, nowMicros)
    // RFC 9000 §5.2 #1: what the frames before the bad one did is not undone, so the connection ends
    if (error !== undefined) parts.closer.closeWithError(error, nowMicros)
    return true
  }

  private onAuthentic(
    bytes: Uint8Array,
    path: ConnectionPath,
    level: Level,
    packetNumber: number,
    pnLength: number,
    ecn: Ecn,
    nowMicros: number
  ): TransportError | undefined {
    const { parts, decoder, frames } = this
    const { waitedMicros } = this
    frames.begin(path, level, nowMicros, waitedMicros, bytes, header.dcidStart, header.dcidEnd)
    const error = decoder.decode(
      bytes,
      header.packetNumberOffset + pnLength,
      header.end - AEAD_TAG_BYTES,
      level,
      frames
    )
    frames.end()
    if (error !== undefined) return error
    const received = path.received[spaceOfLevel(level)]
    // RFC 9000 §13.1: only now does it count as received; §7.5 #3: whatever became of its frames
    // §13.2.5 #S1: the delay that is reported includes the wait for keys
    received.onReceived(packetNumber, decoder.ackEliciting, nowMicros - waitedMicros, ecn)
    if (level === Level.OneRtt && packetNumber === received.largest && !decoder.probingOnly)
      parts.onNewest(path, nowMicros)
    parts.idle.onReceived(nowMicros)
    // whoever says goodbye behind a ClientHello gets none of the answer's work
    if (parts.closer.reason !== undefined) return undefined
    for (let cryptoLevel: Level = Level.Initial; cryptoLevel <= Level.OneRtt; cryptoLevel++)
      if (frames.takeCrypto(cryptoLevel as Level)) {
        const failure = parts.advanceHandshake(cryptoLevel as Level, nowMicros)
        if (failure !== undefined) return failure
      }
    return undefined
  }

  private isFitInitial(datagramBytes: number): boolean {
    return this.parts.config.role === "server"
      ? datagramBytes >= MINIMUM_DATAGRAM_BYTES // RFC 9000 §14 #4, §14.1 #3, §8.2.1 #4: these, and no others
      : header.tokenEnd === header.tokenStart // RFC 9000 §17.2.2 #1: servers send no token
  }

  private keepForLater(bytes: Uint8Array, start: number, level: Level, ecn: Ecn, nowMicros: number): void {
    // keys that were discarded do not come back
    const room = Math.max(MIN_EARLY_BYTES, 2 * this.parts.config.transport.initialDatagramBytes)
    const hasRoom = this.early.length < MAX_EARLY_PACKETS && this.earlyBytes + header.end - start <= room
    if (!hasRoom || !this.parts.expectsKeys(level)) {
      this.drop(start, "key_unavailable", "without keys for them", nowMicros)
      return
    }
    this.earlyBytes += header.end - start
    this.early.push({ level, bytes: bytes.slice(start, header.end), ecn, arrivedMicros: nowMicros })
    // the server's Initial packets, which bring these keys, were lost
    if (level === Level.Handshake) this.parts.hurryHandshake()
  }

  private drop(start: number, reason: DropReason, why: string, nowMicros: number): false {
    this.counters.dropped++
    this.observeDrop(start, reason, why, nowMicros)
    return false
  }

  private observeDrop(start: number, reason: DropReason, why: string | undefined, nowMicros: number): void {
    const { parts } = this
    if (why !== undefined && !parts.handshake.confirmed) this.discards.note(why)
    parts.config.observer?.packetDropped(header.type, header.end - start, reason, why, nowMicros)
  }
}

const readPacketNumber = (bytes: Uint8Array, at: number, length: number, largest: number): number => {
  let truncated = 0
  for (let i = 0; i < length; i++) truncated = truncated * 256 + bytes[at + i]
  return decodePacketNumber(largest, truncated, length)
}

/** Whether the connection IDs at two places of `bytes` are the same. */
const sameId = (bytes: Uint8Array, a: number, aEnd: number, b: number, bEnd: number): boolean => {
  if (aEnd - a !== bEnd - b) return false
  for (let i = 0; i < aEnd - a; i++) if (bytes[a + i] !== bytes[b + i]) return false
  return true
}
