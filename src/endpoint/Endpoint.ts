import { keepBytes } from "../internal/keepBytes.ts"
import type { SocketNumber } from "../path/Route.ts"
import { defaultLimits, type Limits } from "../admission/Limits.ts"
import { Errand, StrangerGate } from "../admission/StrangerGate.ts"
import { type HeldDatagram, type Introduction, Stranger } from "../admission/Stranger.ts"
import { Connection, type ConnectionObserver, type ObservedConfig } from "../connection/Connection.ts"
import {
  type ConnectionConfig,
  originalVersionOf,
  type TlsSettings,
  type TransportSettings,
  versionsOf
} from "../connection/ConnectionConfig.ts"
import type { ClientResumption } from "../handshake/TlsSession.ts"
import { IncomingPacket } from "../connection/IncomingPacket.ts"
import { sessionVersion } from "../connection/HandshakeDriver.ts"
import { resetTokens } from "../path/statelessReset.ts"
import type { Ecn } from "../recovery/ReceivedPackets.ts"
import { parsePacketHeader } from "../wire/PacketHeader.ts"
import { PacketType, type Version } from "../wire/PacketType.ts"
import type { SocketAddress } from "../wire/SocketAddress.ts"
import {
  type ClientMemory,
  type EndpointConfig,
  type ServerConfig,
  unspecifiedAddress
} from "./EndpointConfig.ts"
import { ConnectionTotals } from "./ConnectionTotals.ts"
import { EndpointCounters } from "./EndpointCounters.ts"
import { type HandshakeHost, IncomingHandshakes } from "./IncomingHandshakes.ts"
import { Addressee, Routing } from "./Routing.ts"
import { isResettable, type Reply, StatelessReplies } from "./StatelessReplies.ts"

/**
 * Many connections on one set of UDP sockets, in both roles, without I/O: routes datagrams to connections, creates new
 * ones, and answers datagrams that belong to none. RFC 9000 §5.2
 */
export class Endpoint {
  readonly connections = new Set<Connection>()
  /** Undefined for an endpoint that only connects. */
  readonly incoming: IncomingHandshakes | undefined
  /** Connections that changed without a datagram of their own. */
  readonly woken: Array<Connection> = []
  /** The connection the last datagram was for, if it existed before. */
  handling: Connection | undefined = undefined
  readonly limits: Limits
  readonly counters = new EndpointCounters()
  /** Of connections that are gone. */
  readonly past = new ConnectionTotals()
  private readonly config: EndpointConfig
  private readonly routing: Routing
  /** Scratch: the packet being processed. */
  private readonly packet = new IncomingPacket()
  private readonly gate: StrangerGate
  private readonly replies: StatelessReplies
  private readonly makeResetToken: (connectionId: Uint8Array) => Uint8Array

  constructor(config: EndpointConfig) {
    this.config = config
    this.limits = config.limits ?? defaultLimits
    this.routing = new Routing(config.random, config.connectionIdBytes, config.shard)
    const key = config.resetKey ?? config.random(32)
    this.makeResetToken = resetTokens((id) => config.suite.hmac("sha256", key, id))
    const { suite, random } = config
    this.gate = new StrangerGate(this.limits, random)
    this.replies = new StatelessReplies(suite, random, this.limits, this.makeResetToken, this.counters)
    this.incoming =
      config.server && new IncomingHandshakes(config.server, this.limits, this.handshakeHost(config.server))
  }

  /** Starts a handshake with `remote`. */
  connect(
    remote: SocketAddress,
    tls: TlsSettings,
    transport: TransportSettings,
    nowMicros: number,
    memory?: ClientMemory,
    socket: SocketNumber = 0
  ): Connection {
    // RFC 9000 §7.2 #1: at least 8 unpredictable bytes
    const originalDestination = keepBytes(this.config.random(8))
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
        socket,
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
   * Delivers a datagram to its connection, which is returned; undefined when it belongs to none or waits for `admit`. A
   * connection that was not in `connections` before is a new incoming one. `socket` is the number of the local address
   * it was sent to, `boundSocket` that of the socket that received it.
   */
  handleDatagram(
    bytes: Uint8Array,
    from: SocketAddress,
    ecn: Ecn,
    nowMicros: number,
    socket: SocketNumber = 0,
    boundSocket: SocketNumber = socket
  ): Connection | undefined {
    this.handling = undefined
    const { counters } = this
    counters.datagramsReceived++
    counters.bytesReceived += bytes.length
    const { header } = this.packet
    const isPacket = this.parse(bytes)
    const found = isPacket ? this.routing.find(bytes, header) : undefined
    if (found instanceof Stranger) return this.incoming?.hold(found, bytes, from, ecn, nowMicros)
    if (found === undefined) {
      // RFC 9000 §10.3 #5, §10.3.1 #1: any packet may be a reset; a short header without a connection can be nothing
      // else, but an Initial is tried as an Initial first
      const isShort = isPacket && header.type === PacketType.OneRtt
      if (isShort && this.takeReset(bytes, from, nowMicros)) return undefined
      const accepted = isPacket ? this.onStranger(bytes, from, socket, ecn, nowMicros) : undefined
      const isReset = accepted === undefined && !isShort && this.takeReset(bytes, from, nowMicros)
      if (!isPacket && !isReset) counters.dropped.malformed++
      return accepted
    }
    const { connection } = found
    if (header.type === PacketType.Initial && !connection.isAnswered) {
      const stranger = this.incoming?.strangerOf(connection)
      if (stranger !== undefined) return this.incoming?.hold(stranger, bytes, from, ecn, nowMicros)
    }
    this.handling = connection
    // the system chooses a client's local address and may change it: the client only distinguishes sockets
    const at = connection.config.role === "client" ? boundSocket : socket
    this.deliver(found, bytes, from, at, ecn, nowMicros)
    this.routeIds(connection)
    return connection
  }

  /** Parses the header of a datagram's first packet into `packet`; false when it is malformed. */
  private parse(bytes: Uint8Array): boolean {
    const { packet, config } = this
    return parsePacketHeader(bytes, 0, bytes.length, config.connectionIdBytes, packet.header, true)
  }

  /** Delivers the datagram whose header has been parsed to the connection it is addressed to. */
  private deliver(
    { connection, path, sequence }: Addressee,
    bytes: Uint8Array,
    from: SocketAddress,
    socket: SocketNumber,
    ecn: Ecn,
    nowMicros: number
  ): void {
    const { packet } = this
    packet.bytes = bytes
    packet.ecn = ecn
    packet.arrivedMicros = nowMicros
    packet.path = path
    packet.sequence = sequence
    connection.handleDatagram(packet, from, socket, nowMicros)
    packet.release()
  }

  /** Updates the routing with IDs and reset tokens added and removed. RFC 9000 §5.1.1 #2 */
  routeIds(connection: Connection): void {
    if (connection.handshake.complete) this.incoming?.end(connection)
    this.routing.update(connection)
  }

  /** The connection has drained: removes it from the routing. RFC 9000 §10.2 #S3 */
  forget(connection: Connection): void {
    if (!this.connections.delete(connection)) return
    this.past.add(connection)
    this.routing.forget(connection)
    this.incoming?.end(connection)
    connection.keys.release()
  }

  /** Connection IDs routed to a connection, including the random DCIDs of first flights. */
  get routedIds(): number {
    return this.routing.ids
  }

  /** Stateless reset tokens routed to a connection. */
  get resetTokens(): number {
    return this.routing.tokens
  }

  pollReply(): Reply | undefined {
    return this.replies.poll()
  }

  /**
   * A datagram of nobody known, whose header has been parsed. What would be dropped anyway is dropped first, and the rest
   * is charged before anything is spent on it.
   */
  private onStranger(
    bytes: Uint8Array,
    from: SocketAddress,
    socket: SocketNumber,
    ecn: Ecn,
    nowMicros: number
  ): Connection | undefined {
    const { gate, replies, incoming, counters } = this
    const { header } = this.packet
    if (this.config.admits?.(from) === false) {
      counters.dropped.rejected++
      return undefined
    }
    if (header.type === PacketType.Initial && incoming !== undefined) {
      const errand = incoming.errandOf(header, bytes.length)
      if (errand === undefined) return undefined
      if (gate.admits(from, errand, nowMicros))
        return incoming.onInitial({ bytes, header, from, socket, isBusy: gate.isBusy }, ecn, nowMicros)
      counters.dropped.rateLimited++
      return undefined
    }
    counters.dropped.unknownConnection++
    // RFC 9000 §10.3: a client may think a handshake complete that we gave up, and send nothing but a close
    const isOurs = header.dcidEnd - header.dcidStart === this.config.connectionIdBytes
    const mayMeanUs = header.type === PacketType.OneRtt || (header.type === PacketType.Handshake && isOurs)
    // RFC 9000 §5.2.2 #2, §6.1 #1: nothing else is answered, nor is Version Negotiation
    if (mayMeanUs && isResettable(header, bytes.length) && gate.admits(from, Errand.Reply, nowMicros))
      replies.reset({ bytes, header, from, socket, isBusy: gate.isBusy }, nowMicros)
    return undefined
  }

  /** Whether it is a stateless reset of a connection with `from`, which is then closed. RFC 9000 §10.3.1 */
  private takeReset(bytes: Uint8Array, from: SocketAddress, nowMicros: number): boolean {
    const connection = this.routing.findReset(bytes)
    if (connection === undefined || !connection.paths.hasRemote(from)) return false
    connection.handleStatelessReset(nowMicros)
    this.routeIds(connection)
    this.woken.push(connection)
    return true
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
  ): ObservedConfig {
    const { suite, random, connectionIdBytes } = this.config
    return {
      role,
      suite,
      random,
      ecn: this.config.ecn ?? false,
      preferred: role === "server" ? this.config.server?.preferred : undefined,
      connectionIdBytes,
      makeConnectionId: this.makeConnectionId,
      makeResetToken: this.makeResetToken,
      makeAddressToken: this.makeAddressToken,
      addressOf: this.config.addressOf ?? unspecifiedAddress,
      tls,
      transport,
      limits: this.limits,
      ...(this.config.scheduler !== undefined && { scheduler: this.config.scheduler }),
      observer,
      resume,
      tickets: role === "server" ? this.config.server?.tickets : undefined
    }
  }

  private readonly makeConnectionId = (): Uint8Array => this.routing.newId()

  private readonly makeAddressToken: ConnectionConfig["makeAddressToken"] = (remote, version, nowMicros) =>
    this.incoming!.tokens.of(version, nowMicros / 1000).forLater(remote, nowMicros / 1000)

  private handshakeHost(server: ServerConfig): HandshakeHost {
    const { suite, random, observe } = this.config
    return {
      suite,
      random,
      routing: this.routing,
      replies: this.replies,
      counters: this.counters,
      headerOf: (bytes) => {
        this.parse(bytes)
        return this.packet.header
      },
      makeConnectionId: this.makeConnectionId,
      accept: (origin, nowMicros) => {
        const observer = observe?.("server", origin.originalDestination, nowMicros)
        const config = this.connectionConfig("server", server.tls, server.transport, undefined, observer)
        const connection = new Connection(config, origin, nowMicros)
        this.adopt(connection)
        return connection
      },
      replay: (connection, held, introduction, nowMicros) =>
        this.replay(connection, held, introduction, nowMicros),
      forget: (connection) => this.forget(connection)
    }
  }

  private replay(
    connection: Connection,
    held: ReadonlyArray<HeldDatagram>,
    { from, socket }: Introduction,
    nowMicros: number
  ): void {
    this.handling = connection
    for (const { bytes, ecn } of held) {
      this.parse(bytes)
      const addressee = this.routing.find(bytes, this.packet.header)
      if (addressee instanceof Addressee && addressee.connection === connection)
        this.deliver(addressee, bytes, from, socket, ecn, nowMicros)
    }
    this.routeIds(connection)
  }
}

/** A session can only be resumed in its own version. RFC 9369 §5 */
const firstVersion = (transport: TransportSettings, memory: ClientMemory | undefined): Version => {
  const versions = versionsOf("client", transport)
  const ticket = memory?.resumption.ticket
  const remembered = ticket && sessionVersion(ticket)
  return versions.find((version) => version === remembered) ?? originalVersionOf(transport)
}
