import type { Role } from "../wire/Role.ts"
import type { SocketNumber } from "../path/Route.ts"
import { Admission, type RetryPolicy } from "../admission/Admission.ts"
import { type HeldDatagram, type Introduction, roomForStranger, Stranger } from "../admission/Stranger.ts"
import type { CryptoSuiteShape, RandomBytes } from "../capability/CryptoSuite.ts"
import { Connection } from "../connection/Connection.ts"
import {
  type ConnectionConfig,
  MINIMUM_DATAGRAM_BYTES,
  originalVersionOf,
  type PreferredAddresses,
  type TlsSettings,
  type TransportSettings,
  versionsOf
} from "../connection/ConnectionConfig.ts"
import type { ClientResumption, ServerResumption } from "../handshake/TlsSession.ts"
import type { ConnectionObserver } from "../connection/ConnectionObserver.ts"
import { IncomingPacket } from "../connection/IncomingPacket.ts"
import { sessionVersion } from "../connection/HandshakeDriver.ts"
import { resetTokens } from "../path/statelessReset.ts"
import type { Ecn } from "../recovery/ReceivedPackets.ts"
import { parsePacketHeader } from "../wire/PacketHeader.ts"
import { PacketType, type Version } from "../wire/PacketType.ts"
import { sameAddress, type SocketAddress } from "../wire/SocketAddress.ts"
import { TransportError, TransportErrorCode } from "../wire/TransportError.ts"
import { AddressTokens } from "./AddressTokens.ts"
import { Addressee, Routing } from "./Routing.ts"
import { InitialKeys } from "../protect/initialKeys.ts"
import { isAuthenticInitial } from "./statelessClose.ts"
import { type Arrival, type Reply, StatelessReplies } from "./StatelessReplies.ts"

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
        /** Strangers at most, see `Admission`; without a limit when left out. */
        readonly maxHandshakes?: number
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

/** Those who wait in vain are told, a few at a time: it is cheaper than their handshake, but not cheap. */
const REFUSALS_A_TURN = 8

const none = new Uint8Array(0)
/** RFC 9000 §8.1.2 */
const BAD_TOKEN = new TransportError(TransportErrorCode.INVALID_TOKEN, "the token of the Retry is not valid")
const TOO_MANY = new TransportError(TransportErrorCode.CONNECTION_REFUSED, "too many clients at once")

/**
 * Many connections on one UDP socket, both roles, without I/O: tells which connection a datagram is for, makes new
 * ones, and answers what belongs to none. RFC 9000 §5.2
 */
export class Endpoint {
  readonly connections = new Set<Connection>()
  /** Whether Initials of strangers are taken. */
  accepting = true
  /** Nobody takes connections at the moment: newcomers are refused before their handshake is paid for. */
  isFull = false
  private readonly config: EndpointConfig
  private readonly routing: Routing
  /** The connection that the last datagram was for, when there was one before it came. */
  handling: Connection | undefined = undefined
  /** Scratch: the packet at hand. */
  private readonly packet = new IncomingPacket()
  private readonly replies: StatelessReplies
  private readonly makeResetToken: (connectionId: Uint8Array) => Uint8Array
  /** Made when the first stranger comes. RFC 9369 §5: a token is good for the version it was issued in */
  private readonly tokens = new Map<Version, AddressTokens>()
  /** Set by a driver that calls `admit` itself: what costs a ClientHello's work waits for it. */
  holdsStrangers = false
  private readonly admission: Admission<Connection>

  constructor(config: EndpointConfig) {
    this.config = config
    this.routing = new Routing(config.random, config.connectionIdBytes)
    this.admission = new Admission({
      retry: config.server?.retry ?? { when: "never", handshakes: 0 },
      maxHandshakes: config.server?.maxHandshakes ?? Number.POSITIVE_INFINITY,
      // the other half is for the handshake itself, and for what the client has spent already
      patienceMicros: ((config.server?.transport.handshakeTimeoutMillis ?? 0) * 1000) / 2
    })
    const key = config.resetKey ?? config.random(32)
    this.makeResetToken = resetTokens((id) => config.suite.hmac("sha256", key, id))
    this.replies = new StatelessReplies(config.suite, config.random, this.makeResetToken)
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
   * Hands a datagram to its connection, which is returned; undefined when it is for none, or waits for `admit`. A
   * connection that was not in `connections` before is a new incoming one, see there. `socket` is the number of
   * the address it was sent to, `boundSocket` that of the socket it came by.
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
    const { header } = this.packet
    const isPacket = this.parse(bytes)
    const found = isPacket ? this.routing.find(bytes, header) : undefined
    if (found instanceof Stranger) return this.hold(found, bytes, from, ecn, nowMicros)
    if (found === undefined) {
      // RFC 9000 §10.3 #5, §10.3.1 #1: whatever it looks like; short headers are nothing else, Initials first of all
      // what they seem
      const isShort = isPacket && header.type === PacketType.OneRtt
      if (isShort && this.takeReset(bytes, from, nowMicros)) return undefined
      const accepted = isPacket ? this.onStranger({ bytes, header, from, socket }, ecn, nowMicros) : undefined
      if (accepted === undefined && !isShort) this.takeReset(bytes, from, nowMicros)
      return accepted
    }
    const { connection } = found
    if (header.type === PacketType.Initial && !connection.isAnswered) {
      const stranger = this.admission.strangerOf(connection)
      if (stranger !== undefined) return this.hold(stranger, bytes, from, ecn, nowMicros)
    }
    this.handling = connection
    // a client leaves its address to the system, which may change it: it knows its sockets only
    const at = connection.config.role === "client" ? boundSocket : socket
    this.deliver(found, bytes, from, at, ecn, nowMicros)
    this.routeIds(connection)
    return connection
  }

  /** Reads the header of the first packet of a datagram into `packet`; false when it is none. */
  private parse(bytes: Uint8Array): boolean {
    const { packet, config } = this
    return parsePacketHeader(bytes, 0, bytes.length, config.connectionIdBytes, packet.header, true)
  }

  /** Hands the datagram whose header has been parsed to the connection it is addressed to. */
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

  /** Whether `admit` has anything to do. */
  get hasWaiting(): boolean {
    return this.admission.hasWaiting
  }

  /** Clients whose handshake is not complete, those that wait for their turn among them. */
  get strangers(): number {
    return this.admission.strangers
  }

  /**
   * Gives the next stranger its turn, and sends away some of those who wait in vain. Returns its connection: a new one if
   * it was not in `connections` before; one that is over already, and is none of the driver's business, if it is not
   * there afterwards either.
   */
  admit(nowMicros: number): Connection | undefined {
    const { admission } = this
    for (let i = 0; i < REFUSALS_A_TURN; i++) {
      const hopeless = admission.nextHopeless(nowMicros)
      if (hopeless === undefined) break
      this.dismiss(hopeless, nowMicros)
    }
    const stranger = admission.next(nowMicros)
    if (stranger === undefined) return undefined
    if (stranger.connection === undefined) return this.welcome(stranger, nowMicros)
    this.hear(stranger, stranger.connection, stranger.takeHeld(), nowMicros)
    return stranger.connection
  }

  /** Brings the routing up to date with the IDs and reset tokens that came into use and went out of it. RFC 9000 §5.1.1 #2 */
  routeIds(connection: Connection): void {
    if (connection.handshake.complete) this.admission.end(connection)
    this.routing.update(connection)
  }

  /** The connection has drained: no datagram finds it any more. RFC 9000 §10.2 #S3 */
  forget(connection: Connection): void {
    if (!this.connections.delete(connection)) return
    this.routing.forget(connection)
    this.admission.end(connection)
  }

  /** Connection IDs that lead to a connection, those of the clients' first flights among them. */
  get routedIds(): number {
    return this.routing.ids
  }

  /** Stateless-reset tokens that lead to a connection. */
  get resetTokens(): number {
    return this.routing.tokens
  }

  pollReply(): Reply | undefined {
    return this.replies.poll()
  }

  private onStranger(arrival: Arrival, ecn: Ecn, nowMicros: number): Connection | undefined {
    const { bytes, header, from } = arrival
    // RFC 9000 §10.3: a client may believe in a handshake that we gave up, and have nothing to say but its end
    const isOurs = header.dcidEnd - header.dcidStart === this.config.connectionIdBytes
    if (header.type === PacketType.OneRtt || (header.type === PacketType.Handshake && isOurs)) {
      this.replies.reset(arrival, nowMicros)
      return undefined
    }
    // RFC 9000 §5.2.2 #2, §6.1 #1: nor is Version Negotiation answered
    if (header.type !== PacketType.Initial) return undefined
    const { server } = this.config
    // RFC 9000 §5.2.2 #1, §14.1 #3: a server drops Initials in datagrams below 1200 bytes, of unknown versions as well
    if (server === undefined || !this.accepting || bytes.length < MINIMUM_DATAGRAM_BYTES) return undefined
    const versions = versionsOf("server", server.transport)
    const version = versions.find((known) => known === header.version)
    if (version === undefined) {
      this.replies.negotiateVersion(arrival, versions, nowMicros)
      return undefined
    }
    // RFC 9000 §7.2
    if (header.dcidEnd - header.dcidStart < 8) return undefined
    const introduction = this.judge(arrival, version, nowMicros)
    if (introduction === undefined) return undefined
    const stranger = new Stranger<Connection>(
      introduction,
      nowMicros,
      roomForStranger(server.transport.initialDatagramBytes)
    )
    this.routing.add(stranger)
    return this.hold(stranger, bytes, from, ecn, nowMicros)
  }

  /** Who may have a turn; the others are told to prove their address, or to leave. */
  private judge(arrival: Arrival, version: Version, nowMicros: number): Introduction | undefined {
    const { replies } = this
    const { bytes, header, from, socket } = arrival
    const destination = bytes.slice(header.dcidStart, header.dcidEnd)
    const token = bytes.slice(header.tokenStart, header.tokenEnd)
    const tokens = this.tokensOf(version, nowMicros / 1000)
    const verdict = tokens.judge(token, destination, from, nowMicros / 1000) // RFC 9000 §8.1.3 #7
    const isProven = verdict._tag !== "absent"
    const isRefused = verdict._tag === "invalid" || this.isFull
    const judgement = isRefused ? "refusal" : this.admission.judge(isProven)
    if (judgement === "refusal") {
      replies.refuse(arrival, version, verdict._tag === "invalid" ? BAD_TOKEN : TOO_MANY, nowMicros)
      return undefined
    }
    if (judgement === "retry") {
      replies.retry(arrival, version, this.routing.newRetrySource(destination), tokens, nowMicros)
      return undefined
    }
    const originalDestination = verdict._tag === "retried" ? verdict.originalDestination : destination
    const source = bytes.slice(header.scidStart, header.scidEnd)
    return {
      version,
      from,
      socket,
      destination,
      originalDestination,
      source,
      token: isProven ? token : none,
      isProven
    }
  }

  /** What costs a ClientHello's work waits for its turn. */
  private hold(
    stranger: Stranger<Connection>,
    bytes: Uint8Array,
    from: SocketAddress,
    ecn: Ecn,
    nowMicros: number
  ): Connection | undefined {
    if (!sameAddress(stranger.introduction.from, from) || !stranger.hold(bytes, ecn)) return undefined
    this.admission.wait(stranger)
    return this.holdsStrangers ? undefined : this.admit(nowMicros)
  }

  /** Makes a connection of a stranger whose turn it is. */
  private welcome(stranger: Stranger<Connection>, nowMicros: number): Connection | undefined {
    const { server } = this.config
    const { introduction } = stranger
    const { version, from, socket, destination, originalDestination, token } = introduction
    const nowMillis = nowMicros / 1000
    const tokens = this.tokensOf(version, nowMillis)
    // while it waited, another may have come with the same token
    const verdict = tokens.judge(token, destination, from, nowMillis)
    const isForged = introduction.isProven && verdict._tag === "invalid"
    const isClosed = !this.accepting || this.isFull
    if (server === undefined || isClosed || isForged) return this.dismiss(stranger, nowMicros)
    const isProven = verdict._tag !== "absent"
    this.routing.remove(stranger)
    const held = stranger.takeHeld()
    // what anybody can make up is no reason to make a connection, nor to have it watched
    const keys = new InitialKeys(this.config.suite, destination)
    const [{ bytes }] = held
    this.parse(bytes)
    if (!isAuthenticInitial(keys.of(version), bytes, this.packet.header)) return undefined
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
        socket,
        localInitialId: this.makeConnectionId(),
        originalDestination,
        peerInitialId: introduction.source, // RFC 9000 §7.2 #5
        retrySource: originalDestination === destination ? undefined : destination,
        initialKeys: keys,
        addressValidated: isProven, // RFC 9000 §8.1.4 #4
        addressToken: undefined
      },
      nowMicros
    )
    if (isProven) tokens.spend(token, nowMillis)
    this.admission.begin(stranger, connection)
    this.adopt(connection)
    this.hear(stranger, connection, held, nowMicros)
    if (!connection.lifecycle.isOpen) {
      if (connection.closer.pending)
        this.replies.send(introduction, nowMicros, () => lastWord(connection, nowMicros))
      this.forget(connection)
    }
    return connection
  }

  private hear(
    { introduction: { from, socket } }: Stranger<Connection>,
    connection: Connection,
    held: ReadonlyArray<HeldDatagram>,
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

  /** Sends a stranger away that has been waiting. */
  private dismiss(stranger: Stranger<Connection>, nowMicros: number): undefined {
    const { version, from, socket } = stranger.introduction
    const { header } = this.packet
    this.routing.remove(stranger)
    const [{ bytes }] = stranger.takeHeld()
    this.parse(bytes)
    this.replies.refuse({ bytes, header, from, socket }, version, TOO_MANY, nowMicros)
    return undefined
  }

  private tokensOf(version: Version, nowMillis: number): AddressTokens {
    const known = this.tokens.get(version)
    if (known !== undefined) return known
    const { suite, random, server } = this.config
    const lifetime = server?.transport.handshakeTimeoutMillis ?? 0
    const tokens = new AddressTokens(suite, random, nowMillis, lifetime)
    this.tokens.set(version, tokens)
    return tokens
  }

  /** Whether it is the stateless reset of a connection with `from`, which then is over. RFC 9000 §10.3.1 */
  private takeReset(bytes: Uint8Array, from: SocketAddress, nowMicros: number): boolean {
    const connection = this.routing.findReset(bytes)
    if (connection === undefined || !connection.paths.leadTo(from)) return false
    connection.handleStatelessReset(nowMicros)
    this.routeIds(connection)
    this.woken.push(connection)
    return true
  }

  /** Connections that changed without a datagram of theirs. */
  readonly woken: Array<Connection> = []

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
      tls,
      transport,
      observer,
      resume,
      tickets: role === "server" ? this.config.server?.tickets : undefined
    }
  }

  private readonly makeConnectionId = (): Uint8Array => this.routing.newId()

  private readonly makeAddressToken: ConnectionConfig["makeAddressToken"] = (remote, version, nowMicros) =>
    this.tokensOf(version, nowMicros / 1000).forLater(remote, nowMicros / 1000)
}

/** What a connection that was over with its first flight has to say; nothing is kept of it. */
const lastWord = (connection: Connection, nowMicros: number): Uint8Array => {
  const buffer = new Uint8Array(MINIMUM_DATAGRAM_BYTES)
  return buffer.subarray(0, connection.pollTransmit(buffer, 0, nowMicros))
}

/** The version a session was of is the only one that can take it up again. RFC 9369 §5 */
const firstVersion = (transport: TransportSettings, memory: ClientMemory | undefined): Version => {
  const versions = versionsOf("client", transport)
  const ticket = memory?.resumption.ticket
  const remembered = ticket && sessionVersion(ticket)
  return versions.find((version) => version === remembered) ?? originalVersionOf(transport)
}
