import type { SocketNumber } from "../path/Route.ts"
import { AEAD_TAG_BYTES } from "../protect/CipherSuite.ts"
import { retryIntegrityTag } from "../protect/retryIntegrity.ts"
import type { PeerVerdict } from "../handshake/TlsSession.ts"
import { CryptoStream } from "../stream/CryptoStream.ts"
import { DatagramQueue } from "../stream/DatagramQueue.ts"
import { StreamSet } from "../stream/StreamSet.ts"
import { Level, Space, spaceOfLevel, type Version } from "../wire/PacketType.ts"
import { addressScope } from "../wire/addressScope.ts"
import { onLinkOf } from "../wire/destination.ts"
import type { SocketAddress } from "../wire/SocketAddress.ts"
import { TransportError, TransportErrorCode } from "../wire/TransportError.ts"
import type { TransportParameters } from "../wire/TransportParameters.ts"
import { parseRetry, parseVersionNegotiation } from "../wire/versionPackets.ts"
import { Closer } from "./Closer.ts"
import { type ConnectionConfig, type ObservedConfig, versionsOf } from "./ConnectionConfig.ts"
import type { ConnectionEvent } from "./ConnectionEvents.ts"
import type { ConnectionParts } from "./ConnectionParts.ts"
import type { ConnectionOrigin } from "./ConnectionOrigin.ts"
import { ConnectionPath, type PathSetup } from "./ConnectionPath.ts"
import { CHANGED_ID } from "./Discards.ts"
import { DatagramBuilder } from "./DatagramBuilder.ts"
import { FrameOwners } from "./FrameOwners.ts"
import { HandshakeDriver } from "./HandshakeDriver.ts"
import { IdleTimer } from "./IdleTimer.ts"
import { resetTokenOffset } from "../path/statelessReset.ts"
import type { IncomingPacket } from "./IncomingPacket.ts"
import { keptToken } from "./keptToken.ts"
import { Keyring } from "./Keyring.ts"
import { type CloseReason, Lifecycle, silentEnd } from "./lifecycle.ts"
import type { Ecn } from "../recovery/ReceivedPackets.ts"
import { Migration, type MoveRefusal } from "./Migration.ts"
import { PacketReceiver } from "./PacketReceiver.ts"
import { firstPathFirst, type PathScheduler } from "./PathScheduler.ts"
import { PathSet } from "./PathSet.ts"
import { VersionChoice } from "./VersionChoice.ts"
import { PeerParameters } from "./PeerParameters.ts"
import { repeatInFlight } from "./repeatInFlight.ts"
import { localParameters, localStreamLimits } from "./parameters.ts"

/** How often the handshake is hurried along at most: what seems lost may only be late. RFC 9002 §6.2.3 */
const MAX_HURRIES = 3
/** Probe timeouts in a row without a packet that could be taken, after which the handshake with such a peer is over. */
const FATAL_TIMEOUTS = 2
/** Of Retry and Version Negotiation, which only a client's first flight can be answered with, and once. */
const LATE = "in answer to no first flight"

/** How long after the handshake a late copy of a client's first flight still finds its connection, and begins no other. */
const FIRST_FLIGHT_MICROS = 3_000_000

/** A longer token would leave no room for the rest of an Initial packet. */
const MAX_TOKEN_BYTES = 800

/** Where a datagram goes: reused. */
export interface Transmit {
  remote: SocketAddress
  socket: SocketNumber
  ecn: Ecn
}

/**
 * One QUIC connection, without I/O: bytes and time go in, bytes and deadlines come out.
 *
 * Four kinds of methods and no others:
 * - **commands** change what the connection wants: `close`, `ping`, `updateKeys`, and everything on `streams` and
 *   `datagrams`;
 * - **`handle*`** tell it what happened: `handleDatagram`, `handleTimeout`, `handleVerdict`;
 * - **`poll*`** take what it has to give: `pollTransmit`, `pollEvent`;
 * - **getters** look and change nothing.
 *
 * A driver, after any command or `handle*`, calls `pollTransmit` until it returns 0, then `pollEvent` until it is
 * empty, then reads the dirty lists of `streams`, then arms a timer for `timeout()`. None of these calls re-enters.
 */
export class Connection implements ConnectionParts {
  readonly config: ObservedConfig<Connection>
  readonly keys: Keyring
  readonly versions: VersionChoice
  readonly crypto: CryptoStream
  readonly streams: StreamSet
  readonly datagrams: DatagramQueue
  handshake: HandshakeDriver
  readonly paths: PathSet
  readonly idle: IdleTimer
  readonly closer: Closer
  readonly events: Array<ConnectionEvent> = []
  readonly localInitialId: Uint8Array
  readonly lifecycle = new Lifecycle()
  readonly receiver: PacketReceiver
  private readonly scheduler: PathScheduler = firstPathFirst
  /** Where what `pollTransmit` wrote last is to be sent. */
  readonly transmit: Transmit
  token: Uint8Array | undefined
  /** Whoever has frames to send. */
  readonly frames: FrameOwners
  greasesBit = false
  private readonly builder: DatagramBuilder
  private startedAtMicros: number
  private hurries = 0
  /** What we declare, until the handshake is confirmed. */
  localParameters: TransportParameters | undefined
  private heardFromServer = false
  private readonly peerParameters = new PeerParameters(this)
  /** What a server that does not speak our version offered instead. */
  offeredVersions: ReadonlyArray<number> = []

  constructor(config: ObservedConfig<Connection>, origin: ConnectionOrigin, nowMicros: number) {
    const { transport } = config
    this.config = config
    this.localInitialId = origin.localInitialId
    const token = keptToken(origin.addressToken, origin.version) // RFC 9000 §8.1.3 #1 #S2
    this.token = isUsableToken(token) ? token : undefined
    this.startedAtMicros = nowMicros
    this.versions = new VersionChoice(config.role, versionsOf(config.role, transport), origin.version)
    this.keys = new Keyring(config.suite, config.role, this.versions, () => this.paths.ptoMicros)
    this.crypto = new CryptoStream()
    this.streams = new StreamSet(config.role, localStreamLimits(transport))
    this.datagrams = new DatagramQueue(transport.maxDatagramFrameBytes, transport.sendBufferBytes)
    this.paths = new PathSet()
    this.addPath(firstPath(config, origin), nowMicros)
    this.frames = new FrameOwners(this.crypto, this.datagrams, this.streams, this.paths, config.random)
    this.transmit = { remote: origin.remote, socket: origin.socket, ecn: 0 }
    this.idle = new IdleTimer(transport.maxIdleTimeoutMillis, nowMicros)
    this.closer = new Closer(
      this.lifecycle,
      this.events,
      () => this.paths.ptoMicros,
      () => this.isStranger
    )
    this.localParameters = localParameters(
      config,
      origin,
      config.preferred && this.path.localIds.issuePreferred()
    )
    this.handshake = this.newHandshake(origin.originalDestination, origin.peerInitialId, origin.retrySource)
    this.receiver = new PacketReceiver(this)
    this.builder = new DatagramBuilder(this)
    this.keys.installInitial(origin.retrySource ?? origin.originalDestination, origin.initialKeys)
    if (config.role === "client") {
      this.fail(this.handshake.start(), nowMicros)
      config.observer?.stepped(this, nowMicros)
    }
  }

  private newHandshake(
    originalDestination: Uint8Array,
    peerInitialSource: Uint8Array,
    retrySource: Uint8Array | undefined
  ): HandshakeDriver {
    const { config, crypto, keys, versions, events } = this
    const ids = { originalDestination, peerInitialSource, retrySource }
    return new HandshakeDriver(config, crypto, keys, versions, events, ids, this.localParameters!)
  }

  // — getters ———————————————————————————————————————————————————————————————————————————————————————————————————

  get path(): ConnectionPath {
    return this.paths.active
  }

  get closeReason(): CloseReason | undefined {
    return this.lifecycle.closeReason
  }

  /** The moment, in `nowMicros` time, at which `handleTimeout` is due; Infinity when nothing is. */
  timeout(nowMicros: number): number {
    const { lifecycle, paths } = this
    if (lifecycle.state === "closed") return Number.POSITIVE_INFINITY
    if (!lifecycle.isOpen) return this.closer.deadlineMicros
    const { transport } = this.config
    const pto = paths.ptoMicros
    let deadline = this.idle.deadline(pto)
    deadline = Math.min(deadline, this.handshakeDeadline)
    if (
      lifecycle.state !== "handshaking" &&
      transport.keepAliveIntervalMillis > 0 &&
      !this.frames.ping.hasFrames()
    )
      deadline = Math.min(deadline, this.idle.keepAliveAt(transport.keepAliveIntervalMillis * 1000, pto))
    deadline = Math.min(deadline, this.stallDeadline(pto))
    for (const path of paths.all) deadline = Math.min(deadline, this.pathDeadline(path, nowMicros))
    return deadline
  }

  private pathDeadline(path: ConnectionPath, nowMicros: number): number {
    let deadline = path.deadline()
    if (this.builder.hasData(path)) deadline = Math.min(deadline, path.recovery.nextSendMicros(nowMicros))
    if (!this.handshake.confirmed) return deadline
    // a probe that is due already goes out as soon as congestion control has room for one
    if (path.mtu.deadlineMicros > nowMicros) deadline = Math.min(deadline, path.mtu.deadlineMicros)
    return Math.min(deadline, path.rotation.deadlineMicros)
  }

  /**
   * server: the client has neither completed the handshake nor proven its address. It is owed no closing or draining
   * state, which would be kept for an address that may be forged. RFC 9000 §8.1, §21.2
   */
  get isStranger(): boolean {
    return this.config.role === "server" && !this.handshake.complete && !this.path.amplification.validated
  }

  /** server: the ClientHello is whole and answered, which is what costs. */
  get isAnswered(): boolean {
    return this.keys.write[Level.Handshake] !== undefined
  }

  /**
   * A client whose server falls silent before it has confirmed the handshake does not even probe (RFC 9002 §6.2.1 #3):
   * without an idle timeout nothing else would ever end it.
   */
  private get handshakeDeadline(): number {
    const timeoutMicros = this.config.transport.handshakeTimeoutMillis * 1000
    if (this.lifecycle.state === "handshaking") return this.startedAtMicros + timeoutMicros
    if (this.handshake.confirmed || !this.idle.isDisabled) return Number.POSITIVE_INFINITY
    return this.idle.lastActivity + timeoutMicros
  }

  /** RFC 9000 §4.1: only while nothing is in flight whose loss would be noticed, and nothing is about to be. */
  private stallDeadline(ptoMicros: number): number {
    const { paths, streams, lifecycle } = this
    const { isBlocked, isPeerBlocked } = streams.stall
    if (lifecycle.state !== "established" || (!isBlocked && !isPeerBlocked)) return Number.POSITIVE_INFINITY
    if (paths.areInFlight || streams.hasFrames() || !paths.maySend) return Number.POSITIVE_INFINITY
    return this.idle.stallDeadline(isBlocked, ptoMicros)
  }

  /** Nothing of the handshake is left to send: the peer can read what an application says in 1-RTT, its close code too. */
  get hasFinished(): boolean {
    return this.handshake.complete && !this.crypto.hasFrames(Level.Handshake)
  }

  // — commands ——————————————————————————————————————————————————————————————————————————————————————————————————

  /** Ends the connection with an application code (0 … 2^62−1) and a reason. RFC 9000 §10.2 */
  close(code: number, reason: string, nowMicros: number): void {
    this.closer.close({ origin: "local", application: true, code, frameType: 0, reason }, nowMicros)
  }

  /** Ends the connection with CONNECTION_REFUSED: there is no room for it. RFC 9000 §5.2.2 #S3 */
  refuse(reason: string, nowMicros: number): void {
    this.closer.closeWithError(new TransportError(TransportErrorCode.CONNECTION_REFUSED, reason), nowMicros)
  }

  /** Ends the connection with INTERNAL_ERROR: something on this side is broken. */
  crash(reason: string, nowMicros: number): void {
    this.closer.closeWithError(new TransportError(TransportErrorCode.INTERNAL_ERROR, reason), nowMicros)
  }

  /** Ends the connection without a word: after a defect it is in no state to say anything. */
  abandon(reason: string): void {
    const code = TransportErrorCode.INTERNAL_ERROR
    this.closer.discard({ origin: "local", application: false, code, frameType: 0, reason })
  }

  /** Sends a PING with the next datagram. */
  ping(): void {
    this.frames.ping.request()
  }

  /** Updates the 1-RTT keys as soon as RFC 9001 §6 allows it. */
  updateKeys(): void {
    this.keys.phases.request()
  }

  /** Adds a path, and what the peer has said about all of them. */
  addPath(setup: PathSetup, nowMicros: number): ConnectionPath {
    const path = new ConnectionPath(this.config, setup, nowMicros)
    path.migration = new Migration(this, path)
    this.paths.add(path)
    if (this.peerParameters.applied !== undefined) path.onPeerParameters(this.peerParameters.applied)
    if (this.lifecycle.state === "established" && this.handshake.confirmed) path.onHandshakeConfirmed()
    return path
  }

  /**
   * `socket` replaces the one that `path` uses: it moves there, as soon as the handshake is confirmed and the peer has
   * given a connection ID for it. Returns what keeps it from moving now. RFC 9000 §9.2
   */
  rebind(socket: SocketNumber, nowMicros: number, path = this.path): MoveRefusal | undefined {
    return this.lifecycle.isOpen ? path.migration.rebind(socket, nowMicros) : undefined
  }

  /** Moves `path` to another of the endpoint's sockets once the peer has answered over it. RFC 9000 §9.1 */
  migrate(socket: SocketNumber, nowMicros: number, path = this.path): MoveRefusal | undefined {
    return path.migration.probe(socket, nowMicros)
  }

  /** Forgets the ways of `path` by that socket, unless it is the one in use. */
  abandonRoute(socket: SocketNumber, path = this.path): void {
    path.migration.abandon(socket)
  }

  /** Changes the connection IDs of both directions, as far as the peer has given any. RFC 9000 §5.1.2 */
  rotateIds(nowMicros: number): void {
    if (this.handshake.confirmed) for (const path of this.paths) path.rotateIds(nowMicros)
  }

  // — handle* ———————————————————————————————————————————————————————————————————————————————————————————————————

  /**
   * A datagram for this connection: `packet` has the header of its first packet and the path it is addressed to. It came
   * from `from` to the endpoint's socket `socket`. Decrypts the bytes in place and may keep parts of them.
   */
  handleDatagram(packet: IncomingPacket, from: SocketAddress, socket: number, nowMicros: number): void {
    if (this.lifecycle.state === "closed" || this.lifecycle.state === "draining") return
    const { path, bytes } = packet
    const { migration } = path
    const route = migration.routeOf(from, socket)
    if (route === undefined) {
      if (!this.handshake.confirmed) this.receiver.discards.note("from another address than the peer's")
      return
    }
    packet.route = route
    path.onDatagramReceived(bytes.length, route)
    if (this.lifecycle.state === "closing") {
      // RFC 9000 §10.2.1 #2: from elsewhere it is not worth an answer
      if (route === path.routes.current) this.closer.onStraggler(bytes.length)
      return
    }
    if (this.receiver.onDatagram(packet, nowMicros)) migration.onAuthentic(route, nowMicros)
    // RFC 9000 §10.3.1 #1: what cannot be read may be a reset that happens to begin with an ID of ours
    else if (this.isStatelessReset(bytes)) return this.handleStatelessReset(nowMicros)
    this.receiver.replayEarly(nowMicros)
    if (this.lifecycle.isOpen) migration.retry(nowMicros)
    this.config.observer?.stepped(this, nowMicros)
  }

  /** Time has passed `timeout()`. */
  handleTimeout(nowMicros: number): void {
    this.onDeadline(nowMicros)
    this.config.observer?.stepped(this, nowMicros)
  }

  private onDeadline(nowMicros: number): void {
    const { lifecycle, idle, path, paths, closer } = this
    if (lifecycle.state === "closed") return
    if (!lifecycle.isOpen) return closer.onTimeout(nowMicros)
    const { transport } = this.config
    const pto = paths.ptoMicros
    if (nowMicros >= idle.deadline(pto)) return closer.discard(silentEnd("idleTimeout"))
    if (nowMicros >= this.handshakeDeadline)
      return path.traffic.datagramsSent === 0
        ? closer.discard(silentEnd("handshakeTimeout"))
        : closer.giveUp(nowMicros, this.config.role === "server")
    if (lifecycle.state !== "handshaking" && transport.keepAliveIntervalMillis > 0) {
      if (nowMicros >= idle.keepAliveAt(transport.keepAliveIntervalMillis * 1000, pto)) this.ping()
    }
    if (nowMicros >= this.stallDeadline(pto)) this.streams.stall.repeatFrames()
    for (const each of this.paths) {
      if (this.handshake.confirmed && nowMicros >= each.rotation.deadlineMicros) each.rotateIds(nowMicros)
      if (nowMicros >= each.deadline()) this.onPathTimeout(each, nowMicros)
    }
  }

  /** Whether a datagram ends in the token of a connection ID of the peer's that is in use. RFC 9000 §10.3.1 */
  isStatelessReset(bytes: Uint8Array): boolean {
    return this.paths.isResetToken(bytes, resetTokenOffset(0, bytes.length), this.config.suite.equal)
  }

  /** A stateless reset of ours was recognised. RFC 9000 §10.3.1 #4 */
  handleStatelessReset(nowMicros: number): void {
    this.closer.drain(silentEnd("statelessReset"), nowMicros)
    this.config.observer?.stepped(this, nowMicros)
  }

  /** The answer to a `verifyPeer` event. */
  handleVerdict(verdict: PeerVerdict, nowMicros: number): void {
    if (!this.lifecycle.isOpen) return
    this.fail(this.handshake.handleVerdict(verdict) ?? this.afterHandshakeStep(nowMicros), nowMicros)
    this.receiver.replayEarly(nowMicros)
    this.config.observer?.stepped(this, nowMicros)
  }

  // — poll* —————————————————————————————————————————————————————————————————————————————————————————————————————

  /**
   * Writes the next datagram into `buffer` from `start` and returns its end; `start` when nothing is to be sent now.
   * `isCongested` tells which of the endpoint's sockets take nothing at the moment: no path sends by them.
   */
  pollTransmit(
    buffer: Uint8Array,
    start: number,
    nowMicros: number,
    isCongested: (socket: SocketNumber) => boolean = never
  ): number {
    const { lifecycle } = this
    if (lifecycle.state === "closing" ? !this.closer.pending : !lifecycle.isOpen) return start
    const order = this.scheduler.order(this.paths)
    for (let i = 0; i < order.length; i++) {
      const end = this.transmitOn(order[i], buffer, start, nowMicros, isCongested)
      if (end > start || !(lifecycle.isOpen || this.closer.pending)) return end
    }
    return start
  }

  private transmitOn(
    path: ConnectionPath,
    buffer: Uint8Array,
    start: number,
    nowMicros: number,
    isCongested: (socket: SocketNumber) => boolean
  ): number {
    const { builder, transmit, lifecycle } = this
    const probing = lifecycle.isOpen ? path.routes.probing : undefined
    if (probing !== undefined && !isCongested(probing.socket)) {
      transmit.remote = probing.remote
      transmit.socket = probing.socket
      transmit.ecn = 0
      const end = builder.buildProbe(buffer, start, path, probing, nowMicros)
      if (end > start) return end
    }
    const { current } = path.routes
    if (isCongested(current.socket)) return start
    if (this.handshake.confirmed && path.isRotationDue(nowMicros)) path.rotateIds(nowMicros)
    transmit.remote = current.remote
    transmit.socket = current.socket
    const end = builder.build(buffer, start, path, nowMicros)
    transmit.ecn = builder.ecn
    // what a client spends before that, on others perhaps, is not the server's
    if (end > start && path === this.path && path.traffic.datagramsSent === 1)
      this.startedAtMicros = nowMicros
    this.closer.onTold()
    if (end > start) this.config.observer?.stepped(this, nowMicros)
    else if (path.mayElicit(nowMicros)) path.recovery.onAppLimited()
    return end
  }

  pollEvent(): ConnectionEvent | undefined {
    return this.events.shift()
  }

  // — what the parts call back ——————————————————————————————————————————————————————————————————————————————————

  expectsKeys(level: Level): boolean {
    if (level === Level.Handshake) return !this.handshake.confirmed
    // RFC 9001 §5.7: 0-RTT packets may overtake the ClientHello, which settles whether they are read
    if (level === Level.ZeroRtt)
      return (
        this.config.role === "server" &&
        !this.handshake.complete &&
        this.keys.write[Level.Handshake] === undefined
      )
    return level === Level.OneRtt && this.lifecycle.state === "handshaking"
  }

  onAuthenticated(packet: IncomingPacket, nowMicros: number): boolean {
    const { bytes, header, level, path } = packet
    if (level === Level.OneRtt) {
      path.localIds.onUsed(packet.sequence)
      packet.route.localSequence = packet.sequence
      return true
    }
    const { ids } = this.handshake
    if (this.config.role === "client" && !this.heardFromServer) {
      // RFC 9000 §7.2 #2 #4: from the first Initial on, and not before, the client sends to the ID the server chose
      this.heardFromServer = true
      ids.peerInitialSource = bytes.slice(header.scidStart, header.scidEnd)
      path.peerIds.replaceFirst(ids.peerInitialSource)
    }
    // RFC 9000 §7.2 #3 #6: a changed Source Connection ID is discarded
    if (!sameBytes(ids.peerInitialSource, bytes, header.scidStart, header.scidEnd)) return false
    if (level === Level.Initial && this.versions.learn(header.version as Version)) this.keys.switchVersion()
    if (this.config.role === "server" && level === Level.Handshake) {
      path.amplification.validate() // RFC 9000 §8.1
      this.discardLevel(Level.Initial, nowMicros) // RFC 9001 §4.9.1 #1 #2
    }
    return true
  }

  onNewest({ path: { routes, migration }, route }: IncomingPacket, nowMicros: number): void {
    if (route !== routes.current || routes.fallback !== undefined) migration.onNewest(route, nowMicros)
  }

  hurryHandshake(): void {
    if (this.handshake.confirmed || this.hurries === MAX_HURRIES) return
    this.hurries++
    repeatInFlight(this.frames, this.path)
    // whatever the client says makes the server go on, be it with more to send or with more that it may send
    if (this.config.role === "client" && this.keys.write[Level.Initial] !== undefined)
      this.path.probes[Space.Initial] = 1
  }

  advanceHandshake(level: Level, nowMicros: number): TransportError | undefined {
    const error = this.handshake.advance(level) ?? this.afterHandshakeStep(nowMicros)
    // RFC 9369 §4.1: CRYPTO frames of a server are of the negotiated version only. Some have chosen none by the time of
    // a HelloRetryRequest (ngtcp2, picoquic).
    if (this.config.role === "client" && this.keys.write[Level.Handshake] !== undefined)
      this.versions.settled = true
    return error
  }

  confirmHandshake(nowMicros: number): void {
    if (this.handshake.confirmed) return
    this.handshake.confirmed = true
    // of no more use, and for every connection a ticket and what we declared
    this.localParameters = undefined
    this.config.resume = undefined
    this.discardLevel(Level.Handshake, nowMicros) // RFC 9001 §4.9.2 #1; a close is 1-RTT then, RFC 9000 §10.2.3 #1
    for (const path of this.paths) path.onHandshakeConfirmed()
    this.events.push({ _tag: "confirmed" })
    const preferred = this.handshake.peerParameters?.preferredAddress
    const offered = this.path.remote.family === 4 ? preferred?.ipv4 : preferred?.ipv6 // RFC 9000 §9.6.3 #S3
    const remote = offered && onLinkOf(offered, this.path.remote)
    // RFC 9000 §21.5.3, §21.5.6 #S1 #S2: a server of the network's does not get to send us into our own
    if (remote !== undefined && addressScope(remote) >= addressScope(this.path.remote))
      this.path.migration.prefer(remote, nowMicros)
  }

  offerToken(nowMicros: number): void {
    const { remote } = this.path
    this.frames.tokens.issue(remote.host, () =>
      this.config.makeAddressToken(remote, this.versions.negotiated, nowMicros)
    )
  }

  discardLevel(level: Level, nowMicros: number): void {
    if (this.keys.read[level] === undefined && this.keys.write[level] === undefined) return
    this.keys.discard(level)
    this.crypto.discard(level)
    if (level === Level.Initial) this.token = undefined
    const space = spaceOfLevel(level)
    this.path.probes[space] = 0
    this.path.received[space].discard()
    this.path.recovery.discardSpace(space, nowMicros)
  }

  onRetry({ bytes, start, header }: IncomingPacket, nowMicros: number): string | undefined {
    const { config, handshake, path } = this
    // RFC 9000 §17.2.5.2 #1 #2: at most one, and only before anything else from the server
    if (config.role !== "client" || this.heardFromServer || handshake.ids.retrySource !== undefined)
      return LATE
    const retry = parseRetry(bytes, header)
    if (retry === undefined || !isUsableToken(retry.token)) return "of type Retry without a token of use"
    // RFC 9000 §17.2.5.1 #2: one that would have us send to where we sent before is discarded
    if (sameBytes(handshake.ids.originalDestination, bytes, header.scidStart, header.scidEnd))
      return "of type Retry that leads nowhere else"
    const tag = retryIntegrityTag(
      config.suite,
      this.versions.original,
      handshake.ids.originalDestination,
      bytes.subarray(start, header.end - AEAD_TAG_BYTES)
    )
    // RFC 9000 §17.2.5.2 #3
    if (!config.suite.equal(tag, bytes.subarray(header.end - AEAD_TAG_BYTES, header.end)))
      return "of type Retry with a wrong integrity tag"
    this.token = retry.token // RFC 9000 §8.1.2 #1, §8.1.3 #6: for all Initials of this connection, and no other
    handshake.ids.retrySource = bytes.slice(header.scidStart, header.scidEnd)
    // RFC 9000 §17.2.5.1 #3; §17.2.5.2 #5: the ID of this side stays
    path.peerIds.replaceFirst(handshake.ids.retrySource)
    this.keys.installInitial(handshake.ids.retrySource)
    // RFC 9000 §17.2.5.3 #1 #2, §17.2.3 #1 #S1: the same bytes, 0-RTT too, go out again; no packet number is used twice
    for (const space of [Space.Initial, Space.Application])
      this.receiver.frames.settleLost(path, path.recovery.abandonPackets(space, nowMicros))
    return undefined
  }

  onVersionNegotiation({ bytes, header }: IncomingPacket, nowMicros: number): string | undefined {
    const { config, handshake, versions } = this
    // RFC 9000 §6.2 #2 #3: ignored after any other packet, another of its kind too, or if it lists the version in use
    const { originalDestination, retrySource } = handshake.ids
    if (config.role !== "client" || this.heardFromServer || retrySource !== undefined) return LATE
    if (versions.restarted) return LATE
    if (!sameBytes(originalDestination, bytes, header.scidStart, header.scidEnd))
      return "of type Version Negotiation that answers no packet of ours"
    const offered = parseVersionNegotiation(bytes, header)
    if (offered === undefined || offered.includes(versions.original))
      return "of type Version Negotiation without need"
    if (versions.restart(offered) !== undefined) this.startOver(nowMicros)
    else {
      this.offeredVersions = offered // RFC 9000 §6.2 #1
      this.closer.discard(silentEnd("versionNegotiation"))
    }
    return undefined
  }

  /** A new first flight, in another version: all that is left of the one before is its ID. RFC 9368 §2.1 */
  private startOver(nowMicros: number): void {
    const { config, path, keys } = this
    const destination = config.random(8)
    path.recovery.abandonPackets(Space.Initial, nowMicros)
    path.peerIds.replaceFirst(destination)
    this.token = undefined // RFC 9369 §5: it is of the other version
    if (this.peerParameters.areRemembered) this.onEarlyDataRejected(nowMicros)
    this.crypto.restart()
    const { facts } = this.handshake
    this.handshake = this.newHandshake(destination, destination, undefined)
    if (facts !== undefined) this.handshake.facts = { ...facts, earlyData: "rejected" }
    keys.installInitial(destination)
    this.fail(this.handshake.start(), nowMicros)
  }

  // —————————————————————————————————————————————————————————————————————————————————————————————————————————————

  private fail(error: TransportError | undefined, nowMicros: number): void {
    if (error !== undefined) this.closer.closeWithError(error, nowMicros)
  }

  private afterHandshakeStep(nowMicros: number): TransportError | undefined {
    const { handshake, keys, config, path } = this
    if (keys.write[Level.Handshake] !== undefined) this.path.recovery.onHandshakeKeys()
    const early = keys.write[Level.ZeroRtt] === undefined ? undefined : config.resume?.ticket
    if (early !== undefined && !this.peerParameters.areRemembered)
      this.peerParameters.remember(early.transportParameters)
    if (this.peerParameters.areRemembered && handshake.earlyDataRejected) this.onEarlyDataRejected(nowMicros)
    // a client may trust the server's parameters only once the Finished that covers them has verified
    if (handshake.peerParameters !== undefined && (config.role === "server" || handshake.complete)) {
      this.greasesBit = handshake.peerParameters.greaseQuicBit
      const error = this.peerParameters.apply(handshake.peerParameters)
      if (error !== undefined) return error
    }
    if (handshake.complete && this.lifecycle.state === "handshaking") {
      this.lifecycle.to("established")
      // not before: they are for whoever stays, and routed to by every datagram's ID
      path.localIds.setPeerLimit(handshake.peerParameters!.activeConnectionIdLimit)
      if (config.role === "server") {
        // RFC 9000 §19.20 #1, RFC 9001 §4.1.2
        this.frames.handshakeDone.send()
        this.offerToken(nowMicros)
        keys.discardEarly(nowMicros + 3 * this.paths.ptoMicros) // RFC 9001 §4.9.3 #S2
        this.path.localIds.keepMadeUpUntil(nowMicros + FIRST_FLIGHT_MICROS)
        this.confirmHandshake(nowMicros) // RFC 9001 §4.1.2
      }
    }
    return undefined
  }

  /** RFC 9001 §4.6.2 #2: the server has read none of it; what streams carried goes out again in 1-RTT. */
  private onEarlyDataRejected(nowMicros: number): void {
    const { path } = this
    this.keys.discard(Level.ZeroRtt) // RFC 9001 §5.6 #S1
    path.recovery.expectNoAcks(Space.Application)
    // RFC 9002 §6.4: nor is it in flight any more
    const lost = path.recovery.abandonPackets(Space.Application, nowMicros)
    this.receiver.frames.settleLost(path, lost)
    this.peerParameters.forget()
  }

  /**
   * All the peer has sent for some time is of the kind that MUST be discarded: there is no use in waiting for more. Not
   * with the first such packet, which anyone who has seen the client's Initial can make. RFC 9000 §7.2 #3 #6
   */
  private endIfPeerChangedId(nowMicros: number): void {
    const { discards } = this.receiver
    if (!discards.has(CHANGED_ID)) return
    const reason = `the peer changed its connection ID in the handshake: discarded were ${discards.summary}`
    this.fail(new TransportError(TransportErrorCode.PROTOCOL_VIOLATION, reason), nowMicros)
  }

  private onPathTimeout(path: ConnectionPath, nowMicros: number): void {
    const { recovery } = path
    if (nowMicros >= recovery.deadlineMicros()) {
      const { kind, space, probes } = recovery.onTimeout(nowMicros)
      if (kind === "loss") this.receiver.frames.settleLost(path, recovery.lost)
      if (kind === "probe") {
        path.probes[space] = probes
        path.onProbeTimeout(nowMicros)
        repeatInFlight(this.frames, path)
        if (this.lifecycle.state === "handshaking" && recovery.ptoCount >= FATAL_TIMEOUTS)
          this.endIfPeerChangedId(nowMicros)
      }
    }
    path.localIds.sweep(nowMicros)
    if (nowMicros >= path.routes.deadlineMicros) path.migration.onTimeout(nowMicros)
  }
}

const never = (): boolean => false

/** The path that the handshake makes. */
const firstPath = ({ role }: ConnectionConfig, origin: ConnectionOrigin): PathSetup => ({
  id: 0,
  remote: origin.remote,
  socket: origin.socket,
  addressValidated: role === "client" || origin.addressValidated,
  ids: {
    local: origin.localInitialId,
    peer: origin.peerInitialId,
    madeUp: role === "server" ? (origin.retrySource ?? origin.originalDestination) : undefined
  }
})

// RFC 9000 §17.2.5.2 #4: a Retry with an empty token is discarded
const isUsableToken = (token: Uint8Array | undefined): boolean =>
  token !== undefined && token.length > 0 && token.length <= MAX_TOKEN_BYTES

const sameBytes = (id: Uint8Array, bytes: Uint8Array, start: number, end: number): boolean => {
  if (id.length !== end - start) return false
  for (let i = 0; i < id.length; i++) if (id[i] !== bytes[start + i]) return false
  return true
}
