import type { PeerVerdict } from "../handshake/TlsSession.ts"
import type { SocketNumber } from "../path/Route.ts"
import { resetTokenOffset } from "../path/statelessReset.ts"
import type { Ecn } from "../recovery/ReceivedPackets.ts"
import type { CryptoStream } from "../stream/CryptoStream.ts"
import type { DatagramQueue } from "../stream/DatagramQueue.ts"
import type { StreamSet } from "../stream/StreamSet.ts"
import { Level } from "../wire/PacketType.ts"
import type { SocketAddress } from "../wire/SocketAddress.ts"
import { TransportError, TransportErrorCode } from "../wire/TransportError.ts"
import type { Closer } from "./Closer.ts"
import type { ConnectionConfig } from "./ConnectionConfig.ts"
import type { ConnectionEvent } from "./ConnectionEvents.ts"
import type { ConnectionOrigin } from "./ConnectionOrigin.ts"
import { addPath, ConnectionParts, isStranger } from "./ConnectionParts.ts"
import type { ConnectionPath, PathSetup } from "./ConnectionPath.ts"
import { ConnectionTimers } from "./ConnectionTimers.ts"
import { DatagramBuilder } from "./DatagramBuilder.ts"
import { FirstFlight } from "./FirstFlight.ts"
import type { HandshakeDriver } from "./HandshakeDriver.ts"
import { HandshakeProgress } from "./HandshakeProgress.ts"
import type { IncomingPacket } from "./IncomingPacket.ts"
import type { Keyring } from "./Keyring.ts"
import { type CloseReason, type Lifecycle, silentEnd } from "./lifecycle.ts"
import type { MoveRefusal } from "./Migration.ts"
import type { PacketObserver } from "./PacketObserver.ts"
import { PacketReceiver } from "./PacketReceiver.ts"
import { firstPathFirst, type PathScheduler } from "./PathScheduler.ts"
import type { PathSet } from "./PathSet.ts"
import type { VersionChoice } from "./VersionChoice.ts"

const never = (): boolean => false

/** Where a datagram goes: a reused record. */
export interface Transmit {
  remote: SocketAddress
  socket: SocketNumber
  ecn: Ecn
}

/** Watches a connection without any influence on it: a log. What is not about packets is read after each step. */
export interface ConnectionObserver extends PacketObserver {
  /** A datagram, a deadline, a verdict or a command has been dealt with. */
  stepped(connection: Connection, nowMicros: number): void
}

/** A configuration with someone who watches the connection. */
export interface ObservedConfig extends ConnectionConfig {
  readonly observer: ConnectionObserver | undefined
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
export class Connection {
  readonly parts: ConnectionParts
  readonly receiver: PacketReceiver
  /** client only. */
  readonly firstFlight: FirstFlight | undefined
  /** Where the datagram that `pollTransmit` wrote last is to be sent. */
  readonly transmit: Transmit
  private readonly observer: ConnectionObserver | undefined
  private readonly progress: HandshakeProgress
  private readonly builder: DatagramBuilder
  private readonly timers: ConnectionTimers
  private readonly scheduler: PathScheduler = firstPathFirst

  constructor(config: ObservedConfig, origin: ConnectionOrigin, nowMicros: number) {
    const parts = new ConnectionParts(config, origin, nowMicros)
    this.parts = parts
    this.observer = config.observer
    this.transmit = { remote: origin.remote, socket: origin.socket, ecn: 0 }
    this.progress = new HandshakeProgress(parts)
    this.firstFlight = config.role === "client" ? new FirstFlight(parts, this.progress) : undefined
    this.receiver = new PacketReceiver(parts, this.progress, this.firstFlight)
    const builder = new DatagramBuilder(parts)
    this.builder = builder
    const hasData = (path: ConnectionPath) => builder.hasData(path)
    this.timers = new ConnectionTimers(parts, this.receiver.discards, hasData, nowMicros)
    if (config.role === "client") {
      this.progress.start(nowMicros)
      this.observer?.stepped(this, nowMicros)
    }
  }

  // — getters ———————————————————————————————————————————————————————————————————————————————————————————————————

  get config(): ConnectionConfig {
    return this.parts.config
  }

  get lifecycle(): Lifecycle {
    return this.parts.lifecycle
  }

  get closer(): Closer {
    return this.parts.closer
  }

  get handshake(): HandshakeDriver {
    return this.parts.handshake
  }

  get versions(): VersionChoice {
    return this.parts.versions
  }

  get keys(): Keyring {
    return this.parts.keys
  }

  get crypto(): CryptoStream {
    return this.parts.crypto
  }

  get streams(): StreamSet {
    return this.parts.streams
  }

  get datagrams(): DatagramQueue {
    return this.parts.datagrams
  }

  get paths(): PathSet {
    return this.parts.paths
  }

  /** The path the handshake made, or the one data is sent on. */
  get path(): ConnectionPath {
    return this.parts.paths.active
  }

  get closeReason(): CloseReason | undefined {
    return this.parts.lifecycle.closeReason
  }

  /** The moment, in `nowMicros` time, at which `handleTimeout` is due; Infinity when nothing is. */
  timeout(nowMicros: number): number {
    return this.timers.deadline(nowMicros)
  }

  /** server: see `isStranger` in ConnectionParts. */
  get isStranger(): boolean {
    return isStranger(this.parts)
  }

  /** server: the ClientHello is complete and has been answered, which is the costly part. */
  get isAnswered(): boolean {
    return this.keys.write[Level.Handshake] !== undefined
  }

  /** Nothing of the handshake is left to send: the peer can read 1-RTT packets, an application's close code included. */
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
    this.parts.frames.ping.request()
  }

  /** Updates the 1-RTT keys as soon as RFC 9001 §6 allows it. */
  updateKeys(): void {
    this.keys.phases.request()
  }

  /** Adds a path, and what the peer has said about all of them. */
  addPath(setup: PathSetup, nowMicros: number): ConnectionPath {
    const path = addPath(this.parts, setup, nowMicros)
    const { applied } = this.progress.peerParameters
    if (applied !== undefined) path.onPeerParameters(applied)
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
    this.observer?.stepped(this, nowMicros)
  }

  /** Time has passed `timeout()`. */
  handleTimeout(nowMicros: number): void {
    this.timers.fire(nowMicros)
    this.observer?.stepped(this, nowMicros)
  }

  /** Whether a datagram ends in the token of a connection ID of the peer's that is in use. RFC 9000 §10.3.1 */
  isStatelessReset(bytes: Uint8Array): boolean {
    return this.paths.isResetToken(bytes, resetTokenOffset(0, bytes.length), this.config.suite.equal)
  }

  /** The peer has reset the connection. RFC 9000 §10.3.1 #4 */
  handleStatelessReset(nowMicros: number): void {
    this.closer.drain(silentEnd("statelessReset"), nowMicros)
    this.observer?.stepped(this, nowMicros)
  }

  /** The answer to a `verifyPeer` event. */
  handleVerdict(verdict: PeerVerdict, nowMicros: number): void {
    if (!this.lifecycle.isOpen) return
    this.progress.handleVerdict(verdict, nowMicros)
    this.receiver.replayEarly(nowMicros)
    this.observer?.stepped(this, nowMicros)
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
    // the time a client takes before that, for other connections perhaps, is not the server's
    if (end > start && path === this.path && path.traffic.datagramsSent === 1)
      this.timers.startedAtMicros = nowMicros
    this.closer.onTold()
    if (end > start) this.observer?.stepped(this, nowMicros)
    else if (path.mayElicit(nowMicros)) path.recovery.onAppLimited()
    return end
  }

  pollEvent(): ConnectionEvent | undefined {
    return this.parts.events.shift()
  }
}
