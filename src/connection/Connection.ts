import { type ConnectionIdError, connectionIdError } from "../path/connectionIdErrors.ts"
import type { PeerVerdict } from "../handshake/TlsSession.ts"
import type { MigrationReason } from "../path/migrationReason.ts"
import type { SocketNumber } from "../path/Route.ts"
import type { CryptoStream } from "../stream/CryptoStream.ts"
import type { DatagramQueue } from "../stream/DatagramQueue.ts"
import type { StreamSet } from "../stream/StreamSet.ts"
import { Level } from "../wire/PacketType.ts"
import { hexadecimal } from "../internal/hexadecimal.ts"
import type { SocketAddress } from "../wire/SocketAddress.ts"
import { TransportError, TransportErrorCode } from "../wire/TransportError.ts"
import { addPath } from "./addPath.ts"
import type { Closer } from "./Closer.ts"
import type { ConnectionConfig } from "./ConnectionConfig.ts"
import type { ConnectionEvent } from "./ConnectionEvents.ts"
import type { ConnectionOrigin } from "./ConnectionOrigin.ts"
import { ConnectionParts } from "./ConnectionParts.ts"
import type { ConnectionPath, PathSetup } from "./ConnectionPath.ts"
import { ConnectionTimers, isUnanswered } from "./ConnectionTimers.ts"
import { DatagramBuilder } from "./DatagramBuilder.ts"
import { FirstFlight } from "./FirstFlight.ts"
import type { HandshakeDriver } from "./HandshakeDriver.ts"
import { HandshakeProgress } from "./HandshakeProgress.ts"
import type { IncomingPacket } from "./IncomingPacket.ts"
import type { Keyring } from "./Keyring.ts"
import { type CloseReason, type Lifecycle, silentClose } from "./lifecycle.ts"
import type { Multipath } from "./Multipath.ts"
import type { MoveRefusal } from "./movePolicy.ts"
import type { PacketObserver } from "./PacketObserver.ts"
import { PacketReceiver } from "./PacketReceiver.ts"
import type { PathSet } from "./PathSet.ts"
import { type IsCongested, type Transmit, Transmitter } from "./Transmitter.ts"
import type { Traversal } from "./Traversal.ts"
import type { VersionChoice } from "./VersionChoice.ts"

const never = (): boolean => false

/** Observes a connection without influencing it, for logs. State other than packets is read after each step. */
export interface ConnectionObserver extends PacketObserver {
  /** A datagram, a timeout, a verdict or a command has been processed. */
  stepped(connection: Connection, nowMicros: number): void
}

/** A configuration with an observer. */
export interface ObservedConfig extends ConnectionConfig {
  readonly observer: ConnectionObserver | undefined
}

/**
 * One QUIC connection, without I/O: bytes and time go in, bytes and deadlines come out.
 *
 * There are four kinds of methods:
 * - **commands** change what the connection does: `close`, `ping`, `updateKeys`, and everything on `streams` and
 *   `datagrams`;
 * - **`handle*`** deliver input: `handleDatagram`, `handleTimeout`, `handleVerdict`;
 * - **`poll*`** take output: `pollTransmit`, `pollEvent`;
 * - **getters** have no side effects.
 *
 * After any command or `handle*`, a driver calls `pollTransmit` until it returns 0, then `pollEvent` until it is
 * empty, then reads the dirty lists of `streams`, then arms a timer for `timeout()`. None of these calls is reentrant.
 */
export class Connection {
  readonly parts: ConnectionParts
  readonly receiver: PacketReceiver
  /** client only. */
  readonly firstFlight: FirstFlight | undefined
  private readonly observer: ConnectionObserver | undefined
  private readonly progress: HandshakeProgress
  private readonly timers: ConnectionTimers
  private readonly transmitter: Transmitter

  constructor(config: ObservedConfig, origin: ConnectionOrigin, nowMicros: number) {
    const parts = new ConnectionParts(config, origin, nowMicros)
    this.parts = parts
    this.observer = config.observer
    this.progress = new HandshakeProgress(parts)
    this.firstFlight = config.role === "client" ? new FirstFlight(parts, this.progress) : undefined
    this.receiver = new PacketReceiver(parts, this.progress, this.firstFlight)
    const builder = new DatagramBuilder(parts)
    this.timers = new ConnectionTimers(parts, this.receiver.discards, builder, nowMicros)
    this.transmitter = new Transmitter(parts, builder, this.timers, origin)
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

  get multipath(): Multipath {
    return this.parts.multipath
  }

  get traversal(): Traversal {
    return this.parts.traversal
  }

  /** Where to send the datagram that `pollTransmit` wrote last. */
  get transmit(): Transmit {
    return this.transmitter.transmit
  }

  /** Names it in what is written about it: the same on both sides, and in their qlogs. */
  get id(): string {
    return hexadecimal(this.handshake.ids.originalDestination)
  }

  /** The active path: the one that data is sent on. */
  get path(): ConnectionPath {
    return this.parts.paths.active
  }

  get closeReason(): CloseReason | undefined {
    return this.parts.lifecycle.closeReason
  }

  /** When `handleTimeout` is due, in `nowMicros` time; Infinity for never. */
  timeout(nowMicros: number): number {
    return this.timers.deadline(nowMicros)
  }

  /** server: the ClientHello is complete and has been answered, which is the expensive part. */
  get isAnswered(): boolean {
    return this.keys.write[Level.Handshake] !== undefined
  }

  /** client: several consecutive PTOs have passed without an answer, and no move is in progress. */
  get isUnanswered(): boolean {
    return isUnanswered(this.path)
  }

  /** The whole handshake has been sent: the peer can read 1-RTT packets, and so an application's close code. */
  get hasFinished(): boolean {
    return this.handshake.complete && !this.crypto.hasFrames(Level.Handshake)
  }

  // — commands ——————————————————————————————————————————————————————————————————————————————————————————————————

  /** Ends the connection with an application code (0 … 2^62−1) and a reason. RFC 9000 §10.2 */
  close(code: number, reason: string, nowMicros: number, lingerMicros = 0): void {
    this.closer.closeForApplication(code, reason, nowMicros, lingerMicros)
  }

  /** Refuses the connection with CONNECTION_REFUSED. RFC 9000 §5.2.2 #S3 */
  refuse(reason: string, nowMicros: number): void {
    this.closer.closeWithError(new TransportError(TransportErrorCode.CONNECTION_REFUSED, reason), nowMicros)
  }

  /** Closes the connection with INTERNAL_ERROR. */
  crash(reason: string, nowMicros: number): void {
    this.closer.closeWithError(new TransportError(TransportErrorCode.INTERNAL_ERROR, reason), nowMicros)
  }

  /** Closes the connection silently: after a defect its state cannot be trusted to send anything. */
  abandon(reason: string): void {
    const code = TransportErrorCode.INTERNAL_ERROR
    this.closer.discard({ origin: "local", application: false, code, frameType: 0, reason })
  }

  /**
   * The network behind these remotes is there again: what is in flight to them is probed for as if it had just been sent,
   * however long nothing was heard, and the peer hears of this side. False if no path leads there.
   */
  resume(leadsThere: (remote: SocketAddress) => boolean): boolean {
    const back = this.paths.open.filter(({ remote }) => leadsThere(remote))
    for (const { recovery } of back) recovery.timer.ptoCount = 0
    if (back.length > 0) this.ping()
    return back.length > 0
  }

  /** Sends a PING with the next datagram. */
  ping(): void {
    this.parts.frames.ping.request()
  }

  /** client: a fiber of the application begins to wait for data of the server's. Returns whether `timeout()` changes. */
  awaitData(nowMicros: number): boolean {
    const { awaited, idle } = this.parts
    return awaited.begin(nowMicros) && !idle.isAckAwaited
  }

  /** Undoes that many calls of `awaitData`. */
  stopAwaiting(count: number): void {
    this.parts.awaited.end(count)
  }

  /** Updates the 1-RTT keys as soon as RFC 9001 §6 allows it. */
  updateKeys(): void {
    this.keys.phases.request()
  }

  /** Adds a path and applies the peer's transport parameters to it. */
  addPath(setup: PathSetup, nowMicros: number): ConnectionPath {
    const path = addPath(this.parts, setup, nowMicros)
    const { applied } = this.progress.peerParameters
    if (applied !== undefined) path.onPeerParameters(applied)
    if (this.lifecycle.state === "established" && this.handshake.confirmed) path.onHandshakeConfirmed()
    return path
  }

  /**
   * Moves `path` to another local socket as soon as the handshake is confirmed and the peer has provided a connection
   * ID. Returns what prevents the move now, if anything. RFC 9000 §9.2
   */
  rebind(
    socket: SocketNumber,
    nowMicros: number,
    path = this.path,
    reason: MigrationReason = "ActiveMigration"
  ): MoveRefusal | undefined {
    return this.lifecycle.isOpen ? path.migration.rebind(socket, reason, nowMicros) : undefined
  }

  /** Moves `path` to another local socket once the new route has won: see `Migration.probe`. RFC 9000 §9.1 */
  migrate(
    socket: SocketNumber,
    nowMicros: number,
    path = this.path,
    reason: MigrationReason = "ActiveMigration",
    about?: { readonly rank: number; readonly label: string }
  ): MoveRefusal | undefined {
    return path.migration.probe(socket, reason, nowMicros, about)
  }

  /** Drops the routes of `path` that use `socket`, except the current one. */
  abandonRoute(socket: SocketNumber, nowMicros: number, path = this.path): void {
    path.migration.abandon(socket, nowMicros)
  }

  /** Changes the connection IDs of both directions on every path, or none of them. RFC 9000 §5.1.2 */
  rotateIds(nowMicros: number): ConnectionIdError | undefined {
    if (!this.handshake.confirmed) return connectionIdError("NoSpareConnectionId", 0)
    for (const { rotationRefusal } of this.paths.open)
      if (rotationRefusal !== undefined) return rotationRefusal
    for (const path of this.paths.open) path.rotateIds(nowMicros)
    return undefined
  }

  /** Sends to that connection ID of the peer's from now on, and retires the one before. RFC 9000 §5.1.2 */
  activateId(pathId: number, sequence: number): ConnectionIdError | undefined {
    if (!this.handshake.confirmed) return connectionIdError("NoSpareConnectionId", sequence)
    const path = this.paths.byId(pathId)
    return path === undefined
      ? connectionIdError("UnknownConnectionId", sequence)
      : path.routes.activateId(sequence)
  }

  /** Retires a connection ID of the peer's that is not in use. RFC 9000 §5.1.2 */
  retireId(pathId: number, sequence: number): ConnectionIdError | undefined {
    const path = this.paths.byId(pathId)
    return path === undefined
      ? connectionIdError("UnknownConnectionId", sequence)
      : path.routes.retireId(sequence)
  }

  // — handle* ———————————————————————————————————————————————————————————————————————————————————————————————————

  /**
   * Processes a datagram for this connection; `packet` holds the header of its first packet and the path its
   * destination connection ID belongs to. Decrypts the bytes in place, and keeps none of them.
   */
  handleDatagram(packet: IncomingPacket, from: SocketAddress, socket: number, nowMicros: number): void {
    if (this.lifecycle.state === "closed" || this.lifecycle.state === "draining") return
    if (!this.receiver.isWithinLimit(packet, nowMicros)) return
    const { path, bytes } = packet
    const { migration } = path
    const { multipath, traversal } = this.parts
    const offPath = traversal.routeOf(path, from, socket, packet.sequence)
    const route = offPath ?? multipath.routeOf(path, from, socket, packet.sequence, nowMicros)
    if (route === undefined) {
      this.receiver.counters.rejected++
      if (!this.handshake.confirmed) this.receiver.discards.note("from another address than the peer's")
      return
    }
    packet.route = route
    path.onDatagramReceived(bytes.length, route)
    if (this.lifecycle.state === "closing") {
      // RFC 9000 §10.2.1 #2: datagrams from another address get no answer
      if (route === path.routes.current) this.closer.onDatagramWhileClosing(bytes.length)
      return
    }
    const isAuthentic = this.receiver.onDatagram(packet, nowMicros)
    if (isAuthentic && path.status.isOpen) {
      if (offPath === undefined || path.routes.all.includes(offPath)) migration.onAuthentic(route, nowMicros)
      else traversal.onAuthentic(path, offPath, nowMicros)
    }
    // RFC 9000 §10.3.1 #1: an undecryptable packet may be a reset that happens to begin with one of our IDs
    const { equal } = this.config.suite
    if (!isAuthentic && this.paths.isReset(bytes, equal)) return this.handleStatelessReset(nowMicros)
    this.receiver.replayEarly(nowMicros)
    if (this.lifecycle.isOpen && path.status.isOpen) migration.retry(nowMicros)
    this.observer?.stepped(this, nowMicros)
  }

  /** `timeout()` has expired. */
  handleTimeout(nowMicros: number): void {
    this.timers.fire(nowMicros)
    this.observer?.stepped(this, nowMicros)
  }

  /** The peer has reset the connection. RFC 9000 §10.3.1 #4 */
  handleStatelessReset(nowMicros: number): void {
    this.closer.drain(silentClose("statelessReset"), nowMicros)
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
   * Writes the next datagram into `buffer` from `start` and returns its end; `start` when there is nothing to send.
   * `isCongested` tells which local sockets are blocked: no path sends on them. `isNext`: the last call was this, at the
   * same time, and the socket it wrote for is not blocked.
   */
  pollTransmit(
    buffer: Uint8Array,
    start: number,
    nowMicros: number,
    isCongested: IsCongested = never,
    isNext = false
  ): number {
    const end = this.transmitter.poll(buffer, start, nowMicros, isCongested, isNext)
    if (end > start) this.observer?.stepped(this, nowMicros)
    return end
  }

  pollEvent(): ConnectionEvent | undefined {
    return this.parts.events.shift()
  }
}
