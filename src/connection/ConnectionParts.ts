import { nothingReceived } from "../recovery/ReceivedPackets.ts"
import { CryptoStream } from "../stream/CryptoStream.ts"
import { DatagramQueue } from "../stream/DatagramQueue.ts"
import { StreamSet } from "../stream/StreamSet.ts"
import { Level, Space } from "../wire/PacketType.ts"
import type { TransportParameters } from "../wire/TransportParameters.ts"
import { addPath } from "./addPath.ts"
import { AddressDiscovery } from "./AddressDiscovery.ts"
import { AwaitedData } from "./AwaitedData.ts"
import { Closer } from "./Closer.ts"
import { type ConnectionConfig, versionsOf } from "./ConnectionConfig.ts"
import type { ConnectionEvent } from "./ConnectionEvents.ts"
import type { ConnectionOrigin } from "./ConnectionOrigin.ts"
import type { PathSetup } from "./ConnectionPath.ts"
import { FrameOwners } from "./FrameOwners.ts"
import { HandshakeDriver, type HandshakeIds } from "./HandshakeDriver.ts"
import { IdleTimer } from "./IdleTimer.ts"
import { Keyring } from "./Keyring.ts"
import { keptToken } from "./keptToken.ts"
import { Lifecycle } from "./lifecycle.ts"
import { MigrationTrace } from "./MigrationTrace.ts"
import { localParameters, localStreamLimits, SEND_BUFFER_BYTES } from "./parameters.ts"
import { Multipath } from "./Multipath.ts"
import { PathSet } from "./PathSet.ts"
import { Strikes } from "./Strikes.ts"
import { Traversal } from "./Traversal.ts"
import { VersionChoice } from "./VersionChoice.ts"

/** A longer token would leave no room for the rest of an Initial packet. */
const MAX_TOKEN_BYTES = 800

/**
 * The managers of one connection in one record, for the code that receives and builds packets. No manager knows this
 * record or another manager.
 */
export class ConnectionParts {
  readonly config: ConnectionConfig
  /** The Source Connection ID of our long headers. */
  readonly localInitialId: Uint8Array
  readonly lifecycle = new Lifecycle()
  readonly events: Array<ConnectionEvent> = []
  readonly crypto = new CryptoStream()
  readonly paths = new PathSet()
  readonly multipath: Multipath
  readonly migrationTrace: MigrationTrace
  readonly discovery: AddressDiscovery
  readonly traversal: Traversal
  readonly versions: VersionChoice
  readonly keys: Keyring
  /** What the peer has done that does no good. */
  readonly strikes: Strikes
  readonly streams: StreamSet
  readonly datagrams: DatagramQueue
  /** Everything with frames to send. */
  readonly frames: FrameOwners
  readonly idle: IdleTimer
  readonly awaited = new AwaitedData()
  readonly closer: Closer
  /** Replaced when a client restarts in another version. */
  handshake: HandshakeDriver
  /** client: the token for its Initial packets, from NEW_TOKEN or Retry. RFC 9000 §17.2.2 */
  token: Uint8Array | undefined
  /** What we declare; dropped once the handshake is confirmed. */
  localParameters: TransportParameters | undefined
  /** The peer sent grease_quic_bit: the QUIC bit of our packets is random. RFC 9287 */
  greasesBit = false

  constructor(config: ConnectionConfig, origin: ConnectionOrigin, nowMicros: number) {
    const { transport, role } = config
    const { crypto, paths } = this
    this.config = config
    this.localInitialId = origin.localInitialId
    const token = keptToken(origin.addressToken, origin.version) // RFC 9000 §8.1.3 #1 #S2
    this.token = isUsableToken(token) ? token : undefined
    this.versions = new VersionChoice(role, versionsOf(role, transport), origin.version)
    this.multipath = new Multipath(this)
    this.migrationTrace = new MigrationTrace(this, nowMicros)
    this.discovery = new AddressDiscovery(transport, paths)
    this.keys = new Keyring(config.suite, role, this.versions, this)
    this.strikes = new Strikes(config.limits.strikes, nowMicros)
    this.traversal = new Traversal(this)
    this.streams = new StreamSet(role, localStreamLimits(transport), this.strikes, paths)
    this.datagrams = new DatagramQueue(
      transport.maxDatagramFrameBytes,
      transport.sendBufferBytes ?? SEND_BUFFER_BYTES,
      config.limits.unreadDatagramBytes,
      paths.filter
    )
    this.frames = new FrameOwners(
      crypto,
      this.datagrams,
      this.streams,
      paths,
      this.multipath.frames,
      this.traversal,
      config.random
    )
    const path = addPath(this, firstPath(config, origin), nowMicros)
    this.idle = new IdleTimer(transport.maxIdleTimeoutMillis, nowMicros)
    this.closer = new Closer(this)
    this.localParameters = localParameters(config, origin, config.preferred && path.localIds.issuePreferred())
    this.handshake = newHandshake(this, {
      originalDestination: origin.originalDestination,
      peerInitialSource: origin.peerInitialId,
      retrySource: origin.retrySource
    })
    this.keys.installInitial(origin.retrySource ?? origin.originalDestination, origin.initialKeys)
  }
}

export const newHandshake = (parts: ConnectionParts, ids: HandshakeIds): HandshakeDriver => {
  const { config, crypto, keys, versions, events } = parts
  return new HandshakeDriver(config, crypto, keys, versions, events, ids, parts.localParameters!)
}

/** Drops the keys of a level and everything sent or received with them. RFC 9001 §4.9 */
export const discardLevel = (
  parts: ConnectionParts,
  level: typeof Level.Initial | typeof Level.Handshake,
  nowMicros: number
): void => {
  const { keys, crypto } = parts
  if (keys.read[level] === undefined && keys.write[level] === undefined) return
  keys.discard(level)
  crypto.discard(level)
  if (level === Level.Initial) parts.token = undefined
  const space = level === Level.Initial ? Space.Initial : Space.Handshake
  const path = parts.paths.active
  path.probes[space] = 0
  path.received[space] = nothingReceived
  path.ecn.discard(space)
  path.recovery.discardSpace(space, nowMicros)
}

// RFC 9000 §17.2.5.2 #4: a Retry with an empty token is discarded
export const isUsableToken = (token: Uint8Array | undefined): boolean =>
  token !== undefined && token.length > 0 && token.length <= MAX_TOKEN_BYTES

/** The path created by the handshake. */
const firstPath = ({ role }: ConnectionConfig, origin: ConnectionOrigin): PathSetup => ({
  id: 0,
  remote: origin.remote,
  socket: origin.socket,
  addressValidated: role === "client" || origin.addressValidated,
  ids: {
    local: origin.localInitialId,
    peer: origin.peerInitialId,
    initialDestination: role === "server" ? (origin.retrySource ?? origin.originalDestination) : undefined
  }
})
