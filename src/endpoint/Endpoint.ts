import type { CryptoSuiteShape, RandomBytes } from "../capability/CryptoSuite.ts"
import { Connection } from "../connection/Connection.ts"
import {
  type ConnectionConfig,
  MINIMUM_DATAGRAM_BYTES,
  originalVersionOf,
  type PreferredAddresses,
  type Role,
  type TlsSettings,
  type TransportSettings,
  versionsOf
} from "../connection/ConnectionConfig.ts"
import type { ClientResumption, ServerResumption } from "../handshake/TlsSession.ts"
import type { ConnectionObserver } from "../connection/ConnectionObserver.ts"
import { sessionVersion } from "../connection/HandshakeDriver.ts"
import { buildStatelessReset, isAnswerable, resetTokenOffset, resetTokens } from "../path/statelessReset.ts"
import type { Ecn } from "../recovery/ReceivedPackets.ts"
import { retryIntegrityTag } from "../protect/retryIntegrity.ts"
import { PacketHeader, parsePacketHeader } from "../wire/PacketHeader.ts"
import { PacketType, type Version } from "../wire/PacketType.ts"
import type { SocketAddress } from "../wire/SocketAddress.ts"
import { TransportError, TransportErrorCode } from "../wire/TransportError.ts"
import { reservedVersion, writeRetry, writeVersionNegotiation } from "../wire/versionPackets.ts"
import { AddressTokens } from "./AddressTokens.ts"
import { KeyedTable } from "./KeyedTable.ts"
import { ReplyBudget } from "./ReplyBudget.ts"
import { initialKeys, InitialKeys } from "../protect/initialKeys.ts"
import { isAuthenticInitial, writeStatelessClose } from "./statelessClose.ts"

/** When a client has to prove its address before its handshake costs anything. RFC 9000 §8.1.2 */
export interface RetryPolicy {
  readonly when: "never" | "always" | "underLoad"
  /** `underLoad`: from this many unfinished handshakes on. */
  readonly handshakes: number
}

export interface EndpointConfig {
  readonly suite: CryptoSuiteShape
  readonly random: RandomBytes
  /** Makes the observer of a new connection; left out, nobody watches. */
  readonly observe?: (
    role: Role,
    originalDestination: Uint8Array,
    nowMicros: number
  ) => ConnectionObserver | undefined
  /**
   * Bytes of the connection IDs we issue, 4 … 20: never none, as many connections share a port. RFC 9000 §5.1 #3,
   * §17.2 #2 #4, §18.2 #3 #4, §19.15 #2
   */
  readonly connectionIdBytes: number
  /** Stateless-reset tokens are made from it; left out, from a random one. RFC 9000 §10.3.2 */
  readonly resetKey?: Uint8Array | undefined
  /** Whether the socket reads and writes ECN marks; not, when left out. */
  readonly ecn?: boolean
  /** Set to take connections. */
  readonly server:
    | {
        readonly tls: TlsSettings
        readonly transport: TransportSettings
        /** Where clients are asked to go once they are connected. RFC 9000 §9.6 */
        readonly preferred?: PreferredAddresses | undefined
        /** Never when left out. */
        readonly retry?: RetryPolicy
        /** No tickets are issued or taken when left out. */
        readonly tickets?: ServerResumption
      }
    | undefined
}

/** What a client has kept of earlier connections to a server. */
export interface ClientMemory {
  readonly addressToken: Uint8Array | undefined
  readonly resumption: ClientResumption
}

/** A datagram for no connection: Version Negotiation, Retry, a refusal, or a stateless reset. */
export interface Reply {
  readonly bytes: Uint8Array
  readonly to: SocketAddress
  /** The socket to send it by: the one that what it answers came to. */
  readonly local: number
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
  private readonly byId: KeyedTable<Connection>
  /** By the tokens of the peer's IDs in use: which connection a stateless reset ends. RFC 9000 §10.3.1 */
  private readonly byResetToken: KeyedTable<Connection>
  /** The connection that the last datagram was for, when there was one before it came. */
  handling: Connection | undefined = undefined
  /** The socket that the datagram being handled came to. */
  private arrivalSocket = 0
  private readonly header = new PacketHeader()
  private replies: Array<Reply> = []
  private readonly replyBudget = new ReplyBudget()
  private readonly makeResetToken: (connectionId: Uint8Array) => Uint8Array
  /** Made when the first stranger comes. RFC 9369 §5: a token is good for the version it was issued in */
  private readonly tokens = new Map<Version, AddressTokens>()
  /** Incoming connections whose handshake may not be finished. */
  private readonly unfinished = new Set<Connection>()

  constructor(config: EndpointConfig) {
    this.config = config
    this.byId = new KeyedTable(config.random)
    this.byResetToken = new KeyedTable(config.random)
    const key = config.resetKey ?? config.random(32)
    this.makeResetToken = resetTokens((id) => config.suite.hmac("sha256", key, id))
  }

  /** Starts a handshake with `remote`. */
  connect(
    remote: SocketAddress,
    tls: TlsSettings,
    transport: TransportSettings,
    nowMicros: number,
    memory?: ClientMemory,
    local = 0
  ): Connection {
    // RFC 9000 §7.2 #1: at least 8 unpredictable bytes
    const originalDestination = this.config.random(8)
    const connection = new Connection(
      this.connectionConfig(
        "client",
        tls,
        transport,
        memory?.resumption,
        this.config.observe?.("client", originalDestination, nowMicros)
      ),
      {
        version: firstVersion(transport, memory),
        remote,
        local,
        localInitialId: this.makeConnectionId(),
        originalDestination,
        peerInitialId: originalDestination,
        retrySource: undefined,
        addressValidated: true,
        addressToken: memory?.addressToken
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
    nowMicros: number,
    local = 0
  ): Connection | undefined {
    this.arrivalSocket = local
    this.handling = undefined
    const { header, config } = this
    const isPacket = parsePacketHeader(bytes, 0, bytes.length, config.connectionIdBytes, header, true)
    const connection = isPacket ? this.byId.get(bytes, header.dcidStart, header.dcidEnd) : undefined
    if (connection === undefined) {
      // RFC 9000 §10.3 #5, §10.3.1 #1: whatever it looks like; short headers are nothing else, Initials first of all
      // what they seem
      const isShort = isPacket && header.type === PacketType.OneRtt
      if (isShort && this.takeReset(bytes, from, nowMicros)) return undefined
      const accepted = isPacket ? this.onStranger(bytes, from, ecn, nowMicros) : undefined
      if (accepted === undefined && !isShort) this.takeReset(bytes, from, nowMicros)
      return accepted
    }
    this.handling = connection
    connection.handleDatagram(bytes, from, this.arrivalSocket, ecn, nowMicros)
    this.routeIds(connection)
    return connection
  }

  /** Brings the routing up to date with the IDs and reset tokens that came into use and went out of it. RFC 9000 §5.1.1 #2 */
  routeIds(connection: Connection): void {
    for (const { localIds, peerIds } of connection.paths) {
      const ids = localIds.takeChanges()
      if (ids !== undefined) {
        for (const id of ids.added) this.byId.add(id, connection)
        for (const id of ids.removed) this.byId.remove(id, connection)
      }
      const tokens = peerIds.takeTokenChanges()
      if (tokens === undefined) continue
      for (const token of tokens.removed) this.byResetToken.remove(token, connection)
      // RFC 9000 §10.3.2: a token is of one ID, so of a peer that gives one to many connections only the first is reset
      for (const token of tokens.added) this.byResetToken.add(token, connection)
    }
  }

  /** The connection has drained: no datagram finds it any more. */
  forget(connection: Connection): void {
    if (!this.connections.delete(connection)) return
    for (const { localIds, peerIds } of connection.paths) {
      localIds.clear()
      peerIds.clear()
    }
    this.routeIds(connection)
    this.unfinished.delete(connection)
  }

  /** Connection IDs that lead to a connection, those of the clients' first flights among them. */
  get routedIds(): number {
    return this.byId.size
  }

  /** Stateless-reset tokens that lead to a connection. */
  get resetTokens(): number {
    return this.byResetToken.size
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
    // RFC 9000 §5.2.2 #2, §6.1 #1: nor is Version Negotiation answered
    if (header.type !== PacketType.Initial) return undefined
    const { server } = this.config
    // RFC 9000 §5.2.2 #1, §14.1 #3: a server drops Initials in datagrams below 1200 bytes, of unknown versions as well
    if (server === undefined || !this.accepting || bytes.length < MINIMUM_DATAGRAM_BYTES) return undefined
    const versions = versionsOf("server", server.transport)
    const version = versions.find((known) => known === header.version)
    if (version === undefined) return this.negotiateVersion(bytes, versions, from, nowMicros)
    // RFC 9000 §7.2
    if (header.dcidEnd - header.dcidStart < 8) return undefined
    const destination = bytes.slice(header.dcidStart, header.dcidEnd)
    if (this.byId.has(destination)) return undefined
    const nowMillis = nowMicros / 1000
    const tokens = this.tokensOf(version, nowMillis)
    const token = bytes.slice(header.tokenStart, header.tokenEnd)
    const verdict = tokens.judge(token, destination, from, nowMillis) // RFC 9000 §8.1.3 #7
    if (verdict._tag === "invalid") return this.refuseToken(bytes, version, from, nowMicros)
    if (verdict._tag === "absent" && this.wantsProof(server.retry))
      return this.retry(bytes, version, destination, from, nowMillis)
    // what anybody can make up is no reason to make a connection, nor to have it watched
    const keys = new InitialKeys(this.config.suite, destination)
    if (!isAuthenticInitial(keys.of(version), bytes, header)) return undefined
    const isRetried = verdict._tag === "retried"
    const originalDestination = isRetried ? verdict.originalDestination : destination
    const connection = new Connection(
      this.connectionConfig(
        "server",
        server.tls,
        server.transport,
        undefined,
        this.config.observe?.("server", originalDestination, nowMicros)
      ),
      {
        version,
        remote: from,
        local: this.arrivalSocket,
        localInitialId: this.makeConnectionId(),
        originalDestination,
        peerInitialId: bytes.slice(header.scidStart, header.scidEnd), // RFC 9000 §7.2 #5
        retrySource: isRetried ? destination : undefined,
        initialKeys: keys,
        addressValidated: verdict._tag !== "absent", // RFC 9000 §8.1.4 #4
        addressToken: undefined
      },
      nowMicros
    )
    connection.handleDatagram(bytes, from, this.arrivalSocket, ecn, nowMicros)
    if (verdict._tag !== "absent") tokens.spend(token, nowMillis)
    this.unfinished.add(connection)
    this.adopt(connection)
    return connection
  }

  private tokensOf(version: Version, nowMillis: number): AddressTokens {
    let tokens = this.tokens.get(version)
    if (tokens === undefined)
      this.tokens.set(version, (tokens = new AddressTokens(this.config.suite, this.config.random, nowMillis)))
    return tokens
  }

  /** Whether a client without a token is sent away for one. */
  private wantsProof(policy: RetryPolicy | undefined): boolean {
    if (policy === undefined || policy.when === "never") return false
    if (policy.when === "always") return true
    const { unfinished } = this
    if (unfinished.size < policy.handshakes) return false
    for (const each of unfinished) if (each.lifecycle.state !== "handshaking") unfinished.delete(each)
    return unfinished.size >= policy.handshakes
  }

  /** Smaller than what it answers, so it does not count against the budget of replies. RFC 9000 §8.1.2, §17.2.5.1 #4; RFC 9001 §4.7 #S1 */
  private retry(
    bytes: Uint8Array,
    version: Version,
    originalDestination: Uint8Array,
    to: SocketAddress,
    nowMillis: number
  ): undefined {
    const { suite, random } = this.config
    const client = bytes.slice(this.header.scidStart, this.header.scidEnd)
    const source = this.makeRetrySource(originalDestination)
    const token = this.tokensOf(version, nowMillis).forRetry(originalDestination, source, to, nowMillis)
    const packet = writeRetry(version, client, source, token, random)
    const tag = retryIntegrityTag(suite, version, originalDestination, packet)
    const datagram = new Uint8Array(packet.length + tag.length)
    datagram.set(packet)
    datagram.set(tag, packet.length)
    return this.reply(datagram, to)
  }

  // RFC 9000 §17.2.5.1 #1: not what the client sent to; and, as clients send Initials to it, §7.2: at least 8 bytes
  private makeRetrySource(originalDestination: Uint8Array): Uint8Array {
    for (;;) {
      const id = this.config.random(Math.max(8, this.config.connectionIdBytes))
      if (!this.byId.has(id) && id.some((byte, i) => byte !== originalDestination[i])) return id
    }
  }

  // RFC 9000 §8.1.2 #S1: a client whose token is wrong would only wait for its handshake to time out
  private refuseToken(
    bytes: Uint8Array,
    version: Version,
    from: SocketAddress,
    nowMicros: number
  ): undefined {
    if (!this.replyBudget.take(nowMicros)) return undefined
    const { header } = this
    const error = new TransportError(TransportErrorCode.INVALID_TOKEN, "the token of the Retry is not valid")
    const client = bytes.slice(header.scidStart, header.scidEnd)
    const destination = bytes.slice(header.dcidStart, header.dcidEnd)
    const keys = initialKeys(this.config.suite, version, destination)
    // a token that was damaged on the way is no reason to send its owner away: the packet is lost, and sent again
    if (!isAuthenticInitial(keys, bytes, header)) return undefined
    return this.reply(writeStatelessClose(keys, version, client, destination, error), from)
  }

  private negotiateVersion(
    bytes: Uint8Array,
    versions: ReadonlyArray<number>,
    from: SocketAddress,
    nowMicros: number
  ): undefined {
    if (!this.replyBudget.take(nowMicros)) return undefined
    const { header } = this
    const { random } = this.config
    // RFC 9000 §17.2.1 #3 #4 #6: the client's IDs, the other way round; and one answer to a datagram
    const source = bytes.slice(header.scidStart, header.scidEnd)
    const destination = bytes.slice(header.dcidStart, header.dcidEnd)
    const offered = [reservedVersion(random), ...versions]
    return this.reply(writeVersionNegotiation(source, destination, offered, random), from)
  }

  /** Whether it is the stateless reset of a connection with `from`, which then is over. RFC 9000 §10.3.1 */
  private takeReset(bytes: Uint8Array, from: SocketAddress, nowMicros: number): boolean {
    const offset = resetTokenOffset(0, bytes.length)
    const connection = offset < 0 ? undefined : this.byResetToken.get(bytes, offset, bytes.length)
    if (connection === undefined || !connection.path.routes.leadTo(from)) return false
    connection.handleStatelessReset(nowMicros)
    this.routeIds(connection)
    this.woken.push(connection)
    return true
  }

  /** A short header for no connection. RFC 9000 §10.3, §11 #1 */
  private onUnknownShort(bytes: Uint8Array, from: SocketAddress, nowMicros: number): undefined {
    const { header } = this
    // without the QUIC bit it may well be of another protocol, and half of what a peer greases has it
    if ((header.firstByte & 0x40) === 0 || !isAnswerable(bytes.length)) return undefined
    if (!this.replyBudget.take(nowMicros)) return undefined
    const token = this.makeResetToken(bytes.slice(header.dcidStart, header.dcidEnd))
    return this.reply(buildStatelessReset(bytes.length, token, this.config.random), from)
  }

  /** Connections that changed without a datagram of theirs. */
  readonly woken: Array<Connection> = []

  /** Unless it is a Retry, whoever calls this has asked the budget before anything was spent on the stranger. */
  private reply(bytes: Uint8Array, to: SocketAddress): undefined {
    this.replies.push({ bytes, to, local: this.arrivalSocket })
    return undefined
  }

  private adopt(connection: Connection): void {
    this.connections.add(connection)
    this.routeIds(connection)
  }

  private connectionConfig(
    role: ConnectionConfig["role"],
    tls: TlsSettings,
    transport: TransportSettings,
    resume: ClientResumption | undefined,
    observer: ConnectionObserver | undefined
  ): ConnectionConfig {
    const { suite, random } = this.config
    return {
      role,
      suite,
      random,
      ecn: this.config.ecn ?? false,
      preferred: role === "server" ? this.config.server?.preferred : undefined,
      makeConnectionId: this.makeConnectionId,
      makeResetToken: this.makeResetToken,
      makeAddressToken: this.makeAddressToken,
      tls,
      transport,
      observer,
      resume,
      tickets: role === "server" ? this.config.server?.tickets : undefined
    }
  }

  // RFC 9000 §5.1 #1 #2, §10.3.2 #2 #4: random, of one length, none of those in use
  private readonly makeConnectionId = (): Uint8Array => {
    for (;;) {
      const id = this.config.random(this.config.connectionIdBytes)
      if (!this.byId.has(id)) return id
    }
  }

  private readonly makeAddressToken: ConnectionConfig["makeAddressToken"] = (remote, version, nowMicros) =>
    this.tokensOf(version, nowMicros / 1000).forLater(remote, nowMicros / 1000)
}

/** The version a session was of is the only one that can take it up again. RFC 9369 §5 */
const firstVersion = (transport: TransportSettings, memory: ClientMemory | undefined): Version => {
  const versions = versionsOf("client", transport)
  const ticket = memory?.resumption.ticket
  const remembered = ticket && sessionVersion(ticket)
  return versions.find((version) => version === remembered) ?? originalVersionOf(transport)
}
