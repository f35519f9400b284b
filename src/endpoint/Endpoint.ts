import type { CryptoSuiteShape, RandomBytes } from "../capability/CryptoSuite.ts"
import { Connection } from "../connection/Connection.ts"
import type { ConnectionConfig, TlsSettings, TransportSettings } from "../connection/ConnectionConfig.ts"
import { MINIMUM_DATAGRAM_BYTES } from "../connection/ConnectionConfig.ts"
import { buildStatelessReset, resetTokenOffset, resetTokens } from "../path/statelessReset.ts"
import type { Ecn } from "../recovery/ReceivedPackets.ts"
import { PacketHeader, parsePacketHeader } from "../wire/PacketHeader.ts"
import { PacketType, Version } from "../wire/PacketType.ts"
import { formatAddress, type SocketAddress } from "../wire/SocketAddress.ts"
import { writeVersionNegotiation } from "../wire/versionPackets.ts"
import { ConnectionIdTable } from "./ConnectionIdTable.ts"
import { ReplyBudget } from "./ReplyBudget.ts"

export interface EndpointConfig {
  readonly suite: CryptoSuiteShape
  readonly random: RandomBytes
  /** Bytes of the connection IDs we issue, 4 … 20. */
  readonly connectionIdBytes: number
  /** Set to take connections. */
  readonly server: { readonly tls: TlsSettings; readonly transport: TransportSettings } | undefined
}

/** A datagram for no connection: Version Negotiation or a stateless reset. */
export interface Reply {
  readonly bytes: Uint8Array
  readonly to: SocketAddress
}

/**
 * Many connections on one UDP socket, both roles, without I/O: tells which connection a datagram is for, makes new
 * ones, and answers what belongs to none. RFC 9000 §5.2
 */
export class Endpoint {
  readonly connections = new Set<Connection>()
  /** Whether Initials of strangers are taken. */
  accepting = true
  private readonly config: EndpointConfig
  private readonly byId = new ConnectionIdTable<Connection>()
  private readonly byRemote = new Map<string, Set<Connection>>()
  private readonly header = new PacketHeader()
  private replies: Array<Reply> = []
  private readonly replyBudget = new ReplyBudget()
  private readonly makeResetToken: (connectionId: Uint8Array) => Uint8Array

  constructor(config: EndpointConfig) {
    this.config = config
    const key = config.random(32)
    this.makeResetToken = resetTokens((id) => config.suite.hmac("sha256", key, id))
  }

  /** Starts a handshake with `remote`. */
  connect(
    remote: SocketAddress,
    tls: TlsSettings,
    transport: TransportSettings,
    nowMicros: number
  ): Connection {
    // RFC 9000 §7.2: at least 8 unpredictable bytes
    const originalDestination = this.config.random(8)
    const connection = new Connection(
      this.connectionConfig("client", tls, transport),
      {
        version: Version.v1,
        remote,
        localInitialId: this.makeConnectionId(),
        originalDestination,
        peerInitialId: originalDestination,
        retrySource: undefined,
        addressValidated: true
      },
      nowMicros
    )
    this.adopt(connection)
    return connection
  }

  /**
   * Hands a datagram to its connection, which is returned; undefined when it is for none. A connection that was not in
   * `connections` before is a new incoming one.
   */
  handleDatagram(
    bytes: Uint8Array,
    from: SocketAddress,
    ecn: Ecn,
    nowMicros: number
  ): Connection | undefined {
    const { header, config } = this
    if (!parsePacketHeader(bytes, 0, bytes.length, config.connectionIdBytes, header)) return undefined
    const connection = this.byId.get(bytes, header.dcidStart, header.dcidEnd)
    if (connection === undefined) return this.onStranger(bytes, from, ecn, nowMicros)
    connection.handleDatagram(bytes, ecn, nowMicros)
    this.routeIds(connection)
    return connection
  }

  /** Brings the routing up to date with the IDs `connection` has issued and retired. */
  routeIds(connection: Connection): void {
    for (const path of connection.paths) {
      const changes = path.localIds.takeChanges()
      if (changes === undefined) continue
      for (const id of changes.added) this.byId.add(id, connection)
      for (const id of changes.removed) this.byId.remove(id)
    }
  }

  /** The connection has drained: no datagram finds it any more. */
  forget(connection: Connection): void {
    if (!this.connections.delete(connection)) return
    for (const path of connection.paths) path.localIds.clear()
    this.routeIds(connection)
    if (connection.config.role === "server") this.byId.remove(connection.handshake.ids.originalDestination)
    const key = formatAddress(connection.path.remote)
    const same = this.byRemote.get(key)
    same?.delete(connection)
    if (same?.size === 0) this.byRemote.delete(key)
  }

  pollReply(): Reply | undefined {
    return this.replies.shift()
  }

  private onStranger(
    bytes: Uint8Array,
    from: SocketAddress,
    ecn: Ecn,
    nowMicros: number
  ): Connection | undefined {
    const { header } = this
    if (header.type === PacketType.OneRtt) return this.onUnknownShort(bytes, from, nowMicros)
    if (header.type !== PacketType.Initial) return undefined
    const { server } = this.config
    // RFC 9000 §14.1: a server drops Initials in datagrams below 1200 bytes, and (§6.1) does not answer them either
    if (server === undefined || !this.accepting || bytes.length < MINIMUM_DATAGRAM_BYTES) return undefined
    const { version } = header
    if (version !== Version.v1) return this.negotiateVersion(bytes, from, nowMicros)
    // RFC 9000 §7.2
    if (header.dcidEnd - header.dcidStart < 8) return undefined
    const originalDestination = bytes.slice(header.dcidStart, header.dcidEnd)
    if (!this.byId.isFree(originalDestination)) return undefined
    const connection = new Connection(
      this.connectionConfig("server", server.tls, server.transport),
      {
        version,
        remote: from,
        localInitialId: this.makeConnectionId(),
        originalDestination,
        peerInitialId: bytes.slice(header.scidStart, header.scidEnd),
        retrySource: undefined,
        addressValidated: false
      },
      nowMicros
    )
    // what does not even authenticate as an Initial of ours leaves no state behind
    connection.handleDatagram(bytes, ecn, nowMicros)
    if (connection.receiver.counters.received === 0) return undefined
    this.byId.add(originalDestination, connection)
    this.adopt(connection)
    return connection
  }

  private negotiateVersion(bytes: Uint8Array, from: SocketAddress, nowMicros: number): undefined {
    const { header } = this
    const source = bytes.slice(header.scidStart, header.scidEnd)
    const destination = bytes.slice(header.dcidStart, header.dcidEnd)
    this.reply(
      writeVersionNegotiation(source, destination, [Version.v1], this.config.random),
      from,
      nowMicros
    )
    return undefined
  }

  /** A short header for no connection: the peer's stateless reset, or a reason to send one. RFC 9000 §10.3 */
  private onUnknownShort(bytes: Uint8Array, from: SocketAddress, nowMicros: number): undefined {
    const offset = resetTokenOffset(0, bytes.length)
    for (const connection of this.byRemote.get(formatAddress(from)) ?? []) {
      if (!connection.path.peerIds.isResetToken(bytes, offset, this.config.suite.equal)) continue
      connection.handleStatelessReset(nowMicros)
      this.woken.push(connection)
      return undefined
    }
    const { header } = this
    const token = this.makeResetToken(bytes.slice(header.dcidStart, header.dcidEnd))
    const reset = buildStatelessReset(bytes.length, token, this.config.random)
    if (reset !== undefined) this.reply(reset, from, nowMicros)
    return undefined
  }

  /** Connections that changed without a datagram of theirs. */
  readonly woken: Array<Connection> = []

  private reply(bytes: Uint8Array, to: SocketAddress, nowMicros: number): void {
    if (this.replyBudget.take(nowMicros)) this.replies.push({ bytes, to })
  }

  private adopt(connection: Connection): void {
    this.connections.add(connection)
    this.routeIds(connection)
    const key = formatAddress(connection.path.remote)
    const same = this.byRemote.get(key)
    if (same === undefined) this.byRemote.set(key, new Set([connection]))
    else same.add(connection)
  }

  private connectionConfig(
    role: ConnectionConfig["role"],
    tls: TlsSettings,
    transport: TransportSettings
  ): ConnectionConfig {
    const { suite, random } = this.config
    return {
      role,
      suite,
      random,
      makeConnectionId: () => this.makeConnectionId(),
      makeResetToken: this.makeResetToken,
      tls,
      transport
    }
  }

  private makeConnectionId(): Uint8Array {
    for (;;) {
      const id = this.config.random(this.config.connectionIdBytes)
      if (this.byId.isFree(id)) return id
    }
  }
}
