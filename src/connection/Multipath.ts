import { PathFrames } from "../path/PathFrames.ts"
import type { Abandonment } from "../path/PathStatus.ts"
import { Route, type SocketNumber } from "../path/Route.ts"
import { Space } from "../wire/PacketType.ts"
import type { SocketAddress } from "../wire/SocketAddress.ts"
import { FrameType } from "../wire/FrameType.ts"
import { TransportError, TransportErrorCode } from "../wire/TransportError.ts"
import type { TransportParameters } from "../wire/TransportParameters.ts"
import { addPath, type GrowingConnection } from "./addPath.ts"
import { Bond } from "./Bond.ts"
import type { Closer } from "./Closer.ts"
import type { ConnectionConfig } from "./ConnectionConfig.ts"
import type { ConnectionEvent } from "./ConnectionEvents.ts"
import type { ConnectionPath } from "./ConnectionPath.ts"
import type { IdleTimer } from "./IdleTimer.ts"
import type { Lifecycle } from "./lifecycle.ts"
import { type KeptConnection, PathKeepAlive } from "./PathKeepAlive.ts"
import type { PathSet } from "./PathSet.ts"
import { PathSilence } from "./PathSilence.ts"
import { earliest } from "../path/schedulers.ts"
import { type OrderedConnection, SendOrder } from "./SendOrder.ts"
import { type LossOwners, settleLost } from "./settleLost.ts"
import { StreamDemand } from "./StreamDemand.ts"

const { PROTOCOL_VIOLATION, NO_VIABLE_PATH } = TransportErrorCode

/** Why a path is abandoned: the codes of PATH_ABANDON. draft-ietf-quic-multipath §4.2.1 */
export const AbandonCode = {
  NO_ERROR: 0,
  APPLICATION_ABANDON_PATH: 0x3e,
  PATH_RESOURCE_LIMIT_REACHED: 0x3e75,
  PATH_UNSTABLE_OR_POOR: 0x3e76,
  NO_CID_AVAILABLE_FOR_PATH: 0x3e77
} as const

/** Why no path can be opened now. */
export type OpenRefusal =
  /** Multipath was not negotiated, or the handshake is not confirmed. */
  | "notNegotiated"
  /** Only clients open paths. */
  | "server"
  /** All path IDs that the peer allows are in use. */
  | "limit"
  /** The peer has provided no connection ID for the next path, or does not know ours yet. */
  | "noConnectionId"

/** What the paths of a connection need of it. */
export interface ManyPaths extends LossOwners, KeptConnection, GrowingConnection {
  readonly config: ConnectionConfig
  readonly frames: LossOwners["frames"] &
    KeptConnection["frames"] &
    OrderedConnection["frames"] &
    GrowingConnection["frames"]
  readonly lifecycle: Lifecycle
  readonly idle: IdleTimer
  readonly closer: Closer
  readonly events: Array<ConnectionEvent>
  readonly paths: PathSet
  readonly streams: { unsentBytes(most: number): number; readonly creditBytes: number }
  readonly handshake: {
    readonly confirmed: boolean
    readonly peerParameters: TransportParameters | undefined
  }
  /** What we declared; until the handshake is confirmed. */
  readonly localParameters: TransportParameters | undefined
}

/** For how many PTOs the state of an abandoned path is kept once the peer knows; and if it never says so. */
const KEPT_PTOS = 3
const UNANSWERED_PTOS = 12

/**
 * The paths of a connection beyond the first: reserves them, opens and abandons them, and says which carry data.
 * draft-ietf-quic-multipath
 *
 * A path exists from the moment its ID may be used, so that connection IDs can be exchanged for it. It is used when the
 * client sends on it, and gone some time after either side has abandoned it; its ID never comes back.
 */
export class Multipath {
  readonly frames = new PathFrames()
  /** Which path is asked first for the next datagram. */
  readonly order: SendOrder
  readonly bond: Bond
  /** Once there has been another path, these two. */
  keepAlive: PathKeepAlive | undefined = undefined
  silence: PathSilence | undefined = undefined
  private readonly parts: ManyPaths
  /** The largest path IDs that the peer may use, and that we may; -1 without multipath. */
  private localMax = -1
  private peerMax = -1
  private peerInitialMax = -1
  /** The next path ID to reserve. */
  private nextId = 1

  constructor(parts: ManyPaths) {
    this.parts = parts
    const { paths, config } = parts
    this.bond = new Bond(paths)
    this.order = new SendOrder(parts, (config.scheduler ?? earliest)(), new StreamDemand(parts))
  }

  get isNegotiated(): boolean {
    return this.peerMax >= 0
  }

  /** The handshake is complete: reserves paths, if both sides offer any. draft-ietf-quic-multipath §2.1 */
  start(peer: TransportParameters, nowMicros: number): TransportError | undefined {
    const { paths, localParameters } = this.parts
    const ours = localParameters?.initialMaxPathId
    if (peer.initialMaxPathId === undefined || ours === undefined) return undefined
    if (paths.active.peerIds.isZeroLength)
      return new TransportError(PROTOCOL_VIOLATION, "initial_max_path_id from a peer without connection IDs")
    this.localMax = ours
    this.peerMax = this.peerInitialMax = peer.initialMaxPathId
    for (const { localIds, peerIds } of paths) {
      localIds.tellsPath = true
      peerIds.tellPath()
    }
    this.reserve(peer, nowMicros)
    this.order.update()
    return undefined
  }

  /** Opens the next path, from a local socket to an address of the peer's. draft-ietf-quic-multipath §3.1 */
  open(remote: SocketAddress, socket: SocketNumber, nowMicros: number): ConnectionPath | OpenRefusal {
    const { config, handshake, paths, lifecycle } = this.parts
    if (config.role === "server") return "server"
    if (!this.isNegotiated || !handshake.confirmed || !lifecycle.isOpen) return "notNegotiated"
    const path = paths.all.find(({ status }) => status.state === "created")
    if (path === undefined || path.id > this.peerMax) return "limit"
    if (!path.peerIds.usable || !path.localIds.isKnown) return "noConnectionId"
    this.begin(path, new Route(remote, socket, true, path.peerIds.activeId), nowMicros)
    return path
  }

  /** Tells the peer what keeps us from opening a path. draft-ietf-quic-multipath §4.8 */
  tellBlocked(refusal: OpenRefusal): void {
    const next = this.parts.paths.all.find(({ status }) => status.state === "created")
    if (refusal === "limit") this.frames.pathsBlocked(this.peerMax)
    else if (refusal === "noConnectionId" && next?.peerIds.usable === false)
      this.frames.pathCidsBlocked(next.id, next.peerIds.nextSequence)
  }

  /** The route a datagram arrived on; undefined when it has to be dropped. */
  routeOf(
    path: ConnectionPath,
    from: SocketAddress,
    socket: SocketNumber,
    sequence: number,
    nowMicros: number
  ): Route | undefined {
    if (path.status.state !== "created") return path.migration.routeOf(from, socket, sequence, nowMicros)
    // only clients open paths; one that could not be answered is opened by a repetition
    if (this.parts.config.role === "client" || !path.peerIds.usable) return undefined
    return new Route(from, socket, false, path.peerIds.activeId)
  }

  /** An authentic packet has arrived on `route`. */
  onAuthentic(path: ConnectionPath, route: Route, nowMicros: number): void {
    const { status } = path
    if (status.state === "created") this.begin(path, route, nowMicros)
    status.arrivedMicros = nowMicros
    if (status.isSuspect) status.silentSinceMicros = nowMicros
  }

  /** A challenge has been answered. */
  onResponse(): void {
    for (const path of this.parts.paths)
      if (path.status.state === "validating" && path.routes.current.isProven) {
        path.status.to("validated")
        // RFC 9002 §6.2.2: may set the initial RTT, and is no sample
        const { recovery, validator } = path
        if (!recovery.rtt.hasSample) recovery.rtt.reset(validator.roundTripMicros)
        path.status.to(path.status.isBackup ? "standby" : "active")
        this.changed()
      }
  }

  /** Asks the peer to use the path like others, or only when no other works; and does the same. */
  setBackup(path: ConnectionPath, isBackup: boolean): void {
    const { status } = path
    if (status.isEnding) return
    status.isBackup = isBackup
    status.to(isBackup ? "standby" : "active")
    if (this.isNegotiated) this.frames.status(path.id, ++status.sequence, isBackup)
    this.changed()
  }

  /** Ends the use of a path. Returns false for the last one: that is what closing the connection is for. */
  abandon(path: ConnectionPath, code: number, nowMicros: number): boolean {
    if (path.status.isEnding) return true
    if (!this.parts.lifecycle.isOpen) return false
    if (!this.parts.paths.all.some((other) => other !== path && other.status.isUsable)) return false
    this.end(path, { by: "local", code }, nowMicros)
    return true
  }

  /** Gives up a path that is silent for too long: its ID may be needed, and probing it has to end. */
  giveUp(path: ConnectionPath, nowMicros: number): void {
    this.end(path, { by: "local", code: AbandonCode.PATH_UNSTABLE_OR_POOR }, nowMicros)
  }

  /** Timers of a path: the end of its validation, and of what is kept of an abandoned one. */
  onTimeout(path: ConnectionPath, nowMicros: number): void {
    const { status, validator } = path
    if (status.state === "validating" && validator.state === "timedOut") this.giveUp(path, nowMicros)
    if (nowMicros < status.removeAtMicros) return
    // whoever acknowledges no PATH_ABANDON would have us remember ever more of them
    if (this.frames.hasToArrive(FrameType.PATH_ABANDON, path.id))
      status.removeAtMicros = nowMicros + KEPT_PTOS * path.recovery.ptoMicros()
    else this.remove(path, nowMicros)
  }

  // — frames of the peer ————————————————————————————————————————————————————————————————————————————————————————

  /** Of a frame about a path: an error for an ID that the peer must not use. draft-ietf-quic-multipath §4 */
  checkId(pathId: number, type: number): TransportError | undefined {
    if (!this.isNegotiated) return violation(`a frame about path ${pathId} without multipath`, type)
    if (pathId <= this.localMax) return undefined
    return violation(`path ${pathId} is above the limit of ${this.localMax}`, type)
  }

  onAbandon(pathId: number, code: number, nowMicros: number): void {
    const path = this.parts.paths.byId(pathId)
    if (path === undefined) return
    const { paths, closer } = this.parts
    const { status } = path
    if (!status.isEnding && !paths.all.some((other) => other !== path && other.status.isUsable))
      return closer.closeWithError(
        new TransportError(NO_VIABLE_PATH, "the last path was abandoned"),
        nowMicros
      )
    this.end(path, { by: "peer", code }, nowMicros)
    // a repetition keeps nothing for longer
    status.removeAtMicros = Math.min(status.removeAtMicros, nowMicros + KEPT_PTOS * path.recovery.ptoMicros())
  }

  onStatus(pathId: number, sequence: number, isBackup: boolean): void {
    const path = this.parts.paths.byId(pathId)
    if (path?.status.onPeerStatus(sequence, isBackup) === true) this.changed()
  }

  onMaxPathId(maximum: number, type: number, nowMicros: number): TransportError | undefined {
    if (maximum > 0xffff_ffff || maximum < this.peerInitialMax)
      return violation(`a maximum path ID of ${maximum}`, type)
    const peer = this.parts.handshake.peerParameters
    if (!this.isNegotiated) return violation("MAX_PATH_ID without multipath", type)
    if (maximum <= this.peerMax || peer === undefined) return undefined
    this.peerMax = maximum
    this.frames.onUnblocked()
    this.reserve(peer, nowMicros)
    return undefined
  }

  onCidsBlocked(pathId: number, nextSequence: number, type: number): TransportError | undefined {
    const path = this.parts.paths.byId(pathId)
    if (path === undefined || nextSequence <= path.localIds.issued) return undefined
    return violation(`connection ID ${nextSequence} of path ${pathId} was never issued`, type)
  }

  // — changes ———————————————————————————————————————————————————————————————————————————————————————————————————

  /** Creates the paths that the peer may use, and provides connection IDs for those that we may use too. */
  private reserve(peer: TransportParameters, nowMicros: number): void {
    const { remote, routes } = this.parts.paths.active
    while (this.nextId <= this.localMax) {
      const id = this.nextId++
      addPath(this.parts, { id, remote, socket: routes.current.socket, addressValidated: false }, nowMicros)
    }
    for (const path of this.parts.paths)
      if (path.id > 0 && path.id <= this.peerMax && path.localIds.issued === 0)
        path.localIds.setPeerLimit(peer.activeConnectionIdLimit)
  }

  private begin(path: ConnectionPath, route: Route, nowMicros: number): void {
    const { handshake, config } = this.parts
    path.status.to("validating")
    path.begin(route, handshake.peerParameters!, nowMicros)
    path.migration.validate(nowMicros)
    this.keepAlive ??= new PathKeepAlive(this.parts)
    this.silence ??= new PathSilence(this.parts, () => this.changed())
    this.keepAlive.start(nowMicros)
    if (config.role === "client" && path.status.isBackup)
      this.frames.status(path.id, ++path.status.sequence, true)
    this.changed()
  }

  private end(path: ConnectionPath, abandonment: Abandonment, nowMicros: number): void {
    const { parts, frames } = this
    const { status, recovery } = path
    if (status.isEnding) return
    status.to("closing")
    status.abandonment = abandonment
    status.removeAtMicros = nowMicros + UNANSWERED_PTOS * recovery.ptoMicros()
    path.routes.abandon()
    path.peerIds.clear() // draft-ietf-quic-multipath §3.4: retired at once
    frames.forget(path.id)
    frames.abandon(path.id, abandonment.by === "peer" ? AbandonCode.NO_ERROR : abandonment.code)
    this.changed()
    settleLost(parts, path, recovery.abandonPackets(Space.Application, nowMicros), nowMicros)
  }

  /** Drops the state of an abandoned path, and lets the peer use another ID for it. */
  private remove(path: ConnectionPath, nowMicros: number): void {
    const { paths, handshake } = this.parts
    path.status.to("failed")
    path.localIds.clear()
    paths.remove(path)
    this.frames.maxPathId(++this.localMax)
    this.reserve(handshake.peerParameters!, nowMicros)
    this.changed()
  }

  /** A path has joined or left, or its status is another one. */
  private changed(): void {
    // what they carried while all were silent: nothing else would find out that it was lost
    for (const path of this.bond.update()) this.silence?.repeat(path)
    this.order.update()
    this.parts.events.push({ _tag: "moved" })
  }
}

const violation = (reason: string, type: number): TransportError =>
  new TransportError(PROTOCOL_VIOLATION, reason, type)
