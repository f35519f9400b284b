import type { CryptoStream } from "../stream/CryptoStream.ts"
import type { DatagramQueue } from "../stream/DatagramQueue.ts"
import type { StreamSet } from "../stream/StreamSet.ts"
import type { Level } from "../wire/PacketType.ts"
import type { TransportError } from "../wire/TransportError.ts"
import type { Closer } from "./Closer.ts"
import type { ConnectionConfig } from "./ConnectionConfig.ts"
import type { ConnectionEvent } from "./ConnectionEvents.ts"
import type { FrameOwners } from "./FrameOwners.ts"
import type { HandshakeDriver } from "./HandshakeDriver.ts"
import type { IdleTimer } from "./IdleTimer.ts"
import type { IncomingPacket } from "./IncomingPacket.ts"
import type { Keyring } from "./Keyring.ts"
import type { PathSet } from "./PathSet.ts"
import type { VersionChoice } from "./VersionChoice.ts"

/**
 * The managers of one connection, as the parts that receive and build packets see them. None of the managers knows
 * this record, nor each other.
 */
export interface ConnectionParts {
  readonly config: ConnectionConfig
  readonly keys: Keyring
  readonly crypto: CryptoStream
  readonly streams: StreamSet
  readonly datagrams: DatagramQueue
  readonly handshake: HandshakeDriver
  readonly paths: PathSet
  readonly idle: IdleTimer
  readonly closer: Closer
  readonly events: Array<ConnectionEvent>
  readonly versions: VersionChoice
  /** The SCID of our long headers. */
  readonly localInitialId: Uint8Array
  /** Goes into Initial packets of a client: from Retry or NEW_TOKEN. RFC 9000 §17.2.2 */
  readonly token: Uint8Array | undefined
  readonly frames: FrameOwners
  /** RFC 9287: the peer sent grease_quic_bit, so the QUIC bit of our packets means nothing. */
  readonly greasesBit: boolean
  confirmHandshake(nowMicros: number): void
  /** server: the client has proven to be where it is now. */
  offerToken(nowMicros: number): void
  discardLevel(level: Level, nowMicros: number): void
  /** Whether the keys of `level` may still come. */
  expectsKeys(level: Level): boolean
  /** An authentic packet is about to be processed; false when it must be dropped all the same. */
  onAuthenticated(packet: IncomingPacket, nowMicros: number): boolean
  /** The newest 1-RTT packet so far, with more than probing frames in it, has been processed. RFC 9000 §9.3 */
  onNewest(packet: IncomingPacket, nowMicros: number): void
  /** The peer seems to lack what it was sent: it is sent again before the probe timeout. RFC 9002 §6.2.3 */
  hurryHandshake(): void
  advanceHandshake(level: Level, nowMicros: number): TransportError | undefined
  /** These two return why the packet was discarded, if it was. */
  onRetry(packet: IncomingPacket, nowMicros: number): string | undefined
  onVersionNegotiation(packet: IncomingPacket, nowMicros: number): string | undefined
}
