import { keepBytes } from "../internal/keepBytes.ts"
import { Admission } from "../admission/Admission.ts"
import type { Limits } from "../admission/Limits.ts"
import { Errand } from "../admission/StrangerGate.ts"
import { type HeldDatagram, type Introduction, roomForStranger, Stranger } from "../admission/Stranger.ts"
import type { CryptoSuiteShape, RandomBytes } from "../capability/CryptoSuite.ts"
import type { Connection } from "../connection/Connection.ts"
import type { ConnectionOrigin } from "../connection/ConnectionOrigin.ts"
import { MINIMUM_DATAGRAM_BYTES, versionsOf } from "../connection/ConnectionConfig.ts"
import { InitialKeys } from "../protect/initialKeys.ts"
import type { Ecn } from "../recovery/ReceivedPackets.ts"
import type { PacketHeader } from "../wire/PacketHeader.ts"
import type { Version } from "../wire/PacketType.ts"
import { sameAddress, type SocketAddress } from "../wire/SocketAddress.ts"
import { TransportError, TransportErrorCode } from "../wire/TransportError.ts"
import { AddressTokenIssuers } from "./AddressTokenIssuers.ts"
import type { EndpointCounters } from "./EndpointCounters.ts"
import type { ServerConfig } from "./EndpointConfig.ts"
import type { Routing } from "./Routing.ts"
import { isAuthenticInitial } from "./statelessClose.ts"
import type { Arrival, StatelessReplies } from "./StatelessReplies.ts"

/** Refusals per turn: each costs less than a handshake, but something. */
const REFUSALS_PER_TURN = 8

const none = new Uint8Array(0)
/** RFC 9000 §8.1.2 */
const BAD_TOKEN = new TransportError(TransportErrorCode.INVALID_TOKEN, "the token of the Retry is not valid")
const TOO_MANY = new TransportError(TransportErrorCode.CONNECTION_REFUSED, "too many clients at once")
const SHUTTING_DOWN = new TransportError(TransportErrorCode.CONNECTION_REFUSED, "the server is shutting down")

/** What incoming handshakes need of the endpoint. */
export interface HandshakeHost {
  readonly suite: CryptoSuiteShape
  readonly random: RandomBytes
  readonly routing: Routing
  readonly replies: StatelessReplies
  readonly counters: EndpointCounters
  /** Parses the first header of a datagram into scratch, which is returned. */
  headerOf(bytes: Uint8Array): PacketHeader
  makeConnectionId(): Uint8Array
  accept(origin: ConnectionOrigin, nowMicros: number): Connection
  /** Delivers the datagrams held for a new connection to it. */
  replay(
    connection: Connection,
    held: ReadonlyArray<HeldDatagram>,
    introduction: Introduction,
    nowMicros: number
  ): void
  forget(connection: Connection): void
}

/**
 * Clients from their first Initial to the end of the handshake: decides who gets a Retry, who waits, who is refused,
 * and when a connection is created. RFC 9000 §5.2.2, §8.1
 */
export class IncomingHandshakes {
  /** Whether Initials of new clients are accepted. */
  accepting = true
  /** The accept backlog is full: new clients are refused before their handshake costs anything. */
  isFull = false
  /** The endpoint goes out of service, and is full for that reason: clients may try another server. */
  isDraining = false
  /** Set by a driver that calls `admit` itself; otherwise clients are admitted when their datagram arrives. */
  isDeferred = false
  readonly tokens: AddressTokenIssuers
  private readonly server: ServerConfig
  private readonly host: HandshakeHost
  private readonly versions: ReadonlyArray<Version>
  private readonly admission: Admission<Connection>

  constructor(server: ServerConfig, limits: Limits, host: HandshakeHost) {
    const { retry = "never" } = server
    const { handshakeTimeoutMillis } = server.transport
    this.server = server
    this.host = host
    this.versions = versionsOf("server", server.transport)
    this.tokens = new AddressTokenIssuers(host.suite, host.random, handshakeTimeoutMillis, server.tokenSecret)
    // half of the handshake timeout is left for the handshake itself and the time the client has already spent
    const patienceMicros = (handshakeTimeoutMillis * 1000) / 2
    this.admission = new Admission({ ...limits, retry, patienceMicros }, host.random)
  }

  /** Whether `admit` has work to do. */
  get hasWaiting(): boolean {
    return this.admission.hasWaiting
  }

  /** When `admit` has work to do even if nothing else happens. */
  get deadlineMicros(): number {
    return this.admission.deadlineMicros
  }

  /** Clients whose handshake is incomplete, including waiting ones. */
  get strangers(): number {
    return this.admission.strangers
  }

  /** The sources that unfinished and waiting clients come from. */
  get sources(): number {
    return this.admission.sources
  }

  /** The client's handshake is complete, or its connection is gone. */
  end(connection: Connection): void {
    this.admission.end(connection, connection.handshake.complete)
  }

  /** The stranger of a connection whose handshake is incomplete. */
  strangerOf(connection: Connection): Stranger<Connection> | undefined {
    return this.admission.strangerOf(connection)
  }

  /** What an Initial with an unknown destination ID asks for; undefined when it is dropped. Costs nothing. */
  errandOf(header: PacketHeader, datagramBytes: number): Errand | undefined {
    // RFC 9000 §5.2.2 #1, §14.1 #3: a server drops Initials in datagrams below 1200 bytes, of unknown versions as well
    const { dropped } = this.host.counters
    const isKnown = this.versionOf(header) !== undefined
    // RFC 9000 §7.2
    const isIdShort = isKnown && header.dcidEnd - header.dcidStart < 8
    if (!this.accepting) dropped.unknownConnection++
    else if (isIdShort || datagramBytes < MINIMUM_DATAGRAM_BYTES) dropped.malformed++
    else if (!isKnown) return Errand.Reply
    else return header.tokenEnd > header.tokenStart ? Errand.Return : Errand.Handshake
    return undefined
  }

  /** An Initial with an unknown destination ID that asks for something. Returns the connection if one was created at once. */
  onInitial(arrival: Arrival, ecn: Ecn, nowMicros: number): Connection | undefined {
    const { bytes, header, from } = arrival
    const { host, server } = this
    const version = this.versionOf(header)
    if (version === undefined) {
      host.replies.negotiateVersion(arrival, this.versions, nowMicros)
      return undefined
    }
    const introduction = this.judge(arrival, version, nowMicros)
    if (introduction === undefined) return undefined
    const room = roomForStranger(server.transport.initialDatagramBytes)
    const stranger = new Stranger<Connection>(introduction, nowMicros, room)
    host.routing.add(stranger)
    return this.hold(stranger, bytes, from, ecn, nowMicros)
  }

  /** Queues a datagram that may carry a ClientHello until it is the client's turn. */
  hold(
    stranger: Stranger<Connection>,
    bytes: Uint8Array,
    from: SocketAddress,
    ecn: Ecn,
    nowMicros: number
  ): Connection | undefined {
    const { dropped } = this.host.counters
    if (!sameAddress(stranger.introduction.from, from)) {
      dropped.rejected++
      return undefined
    }
    if (!stranger.hold(bytes, ecn)) {
      dropped.rateLimited++
      return undefined
    }
    const displaced = this.admission.wait(stranger)
    if (displaced !== undefined) this.refuse(displaced, nowMicros)
    return this.isDeferred ? undefined : this.admit(nowMicros)
  }

  /**
   * Admits the next client, and refuses some of those that waited too long. Returns the client's connection: a new one
   * if it was not in `Endpoint.connections` before; already closed if it is not there afterwards either.
   */
  admit(nowMicros: number): Connection | undefined {
    const { admission, host } = this
    for (let i = 0; i < REFUSALS_PER_TURN; i++) {
      const hopeless = admission.nextOverdue(nowMicros)
      if (hopeless === undefined) break
      this.refuse(hopeless, nowMicros)
    }
    const stranger = admission.next(nowMicros)
    if (stranger === undefined) return undefined
    const { connection } = stranger
    if (connection === undefined) return this.begin(stranger, nowMicros)
    host.replay(connection, stranger.takeHeld(), stranger.introduction, nowMicros)
    return connection
  }

  /** Nobody is admitted any more: those who wait are told, and may try another server. */
  stop(nowMicros: number): void {
    this.accepting = false
    this.isDraining = true
    const { admission } = this
    for (let next = admission.dismissWaiting(); next !== undefined; next = admission.dismissWaiting())
      this.refuse(next, nowMicros)
  }

  private versionOf(header: PacketHeader): Version | undefined {
    for (const version of this.versions) if (version === header.version) return version
    return undefined
  }

  /** The client's introduction if it may wait for its turn; otherwise sends it a Retry or refuses it. */
  private judge(arrival: Arrival, version: Version, nowMicros: number): Introduction | undefined {
    const { replies, routing } = this.host
    const { bytes, header, from, socket } = arrival
    const destination = keepBytes(bytes, header.dcidStart, header.dcidEnd)
    const token = bytes.slice(header.tokenStart, header.tokenEnd)
    const tokens = this.tokens.of(version, nowMicros / 1000)
    const verdict = tokens.judge(token, destination, from, nowMicros / 1000) // RFC 9000 §8.1.3 #7
    const isProven = verdict._tag !== "absent"
    const isRefused = verdict._tag === "invalid" || this.isFull
    const judgement = isRefused ? "refusal" : this.admission.judge(from, isProven, nowMicros)
    if (judgement === "refusal") {
      replies.refuse(arrival, version, verdict._tag === "invalid" ? BAD_TOKEN : this.refusal, nowMicros)
      return undefined
    }
    if (judgement === "retry") {
      if (replies.mayRetry(arrival.isBusy, nowMicros))
        replies.retry(arrival, version, routing.newRetrySource(destination), tokens, nowMicros)
      return undefined
    }
    return {
      version,
      from,
      socket,
      destination,
      originalDestination: verdict._tag === "retried" ? verdict.originalDestination : destination,
      source: keepBytes(bytes, header.scidStart, header.scidEnd),
      token: isProven ? token : none,
      isProven
    }
  }

  /** Creates the connection of a client whose turn it is. */
  private begin(stranger: Stranger<Connection>, nowMicros: number): Connection | undefined {
    const { host } = this
    const { introduction } = stranger
    const { version, from, socket, destination, originalDestination, token } = introduction
    const nowMillis = nowMicros / 1000
    const tokens = this.tokens.of(version, nowMillis)
    // another client may have used the same token since
    const verdict = tokens.judge(token, destination, from, nowMillis)
    const isForged = introduction.isProven && verdict._tag === "invalid"
    if (!this.accepting || this.isFull || isForged) return this.refuse(stranger, nowMicros)
    const isProven = verdict._tag !== "absent"
    host.routing.remove(stranger)
    const held = stranger.takeHeld()
    // Initials are easily forged: no connection or observer is created before it authenticates
    const keys = new InitialKeys(host.suite, destination)
    if (!isAuthenticInitial(keys.of(version), held[0].bytes, host.headerOf(held[0].bytes))) {
      host.counters.dropped.unauthentic += held.length
      keys.release()
      return undefined
    }
    const origin: ConnectionOrigin = {
      version,
      remote: from,
      socket,
      localInitialId: host.makeConnectionId(),
      originalDestination,
      peerInitialId: introduction.source, // RFC 9000 §7.2 #5
      retrySource: originalDestination === destination ? undefined : destination,
      initialKeys: keys,
      addressValidated: isProven, // RFC 9000 §8.1.4 #4
      addressToken: undefined
    }
    const connection = host.accept(origin, nowMicros)
    if (isProven) tokens.spend(token, nowMillis)
    this.admission.begin(stranger, connection)
    host.replay(connection, held, introduction, nowMicros)
    if (!connection.lifecycle.isOpen) this.dismiss(connection, introduction, nowMicros)
    return connection
  }

  /** A connection closed by its first datagrams: its CONNECTION_CLOSE is sent once, and no state is kept. */
  private dismiss(connection: Connection, introduction: Introduction, nowMicros: number): void {
    const { host } = this
    if (connection.closer.pending) {
      host.replies.close(introduction, nowMicros, () => {
        const buffer = new Uint8Array(MINIMUM_DATAGRAM_BYTES)
        return buffer.subarray(0, connection.pollTransmit(buffer, 0, nowMicros))
      })
    }
    host.forget(connection)
  }

  private get refusal(): TransportError {
    return this.isDraining ? SHUTTING_DOWN : TOO_MANY
  }

  /** Refuses a waiting client. */
  private refuse(stranger: Stranger<Connection>, nowMicros: number): undefined {
    const { version, from, socket } = stranger.introduction
    const { routing, replies } = this.host
    routing.remove(stranger)
    const [{ bytes }] = stranger.takeHeld()
    const arrival = { bytes, header: this.host.headerOf(bytes), from, socket, isBusy: false }
    replies.refuse(arrival, version, this.refusal, nowMicros)
    return undefined
  }
}
