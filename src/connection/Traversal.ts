import { CandidateFrames } from "../nat/CandidateFrames.ts"
import { PeerCandidates } from "../nat/PeerCandidates.ts"
import type { TraversalListener, TraversalPort } from "../nat/TraversalPort.ts"
import type { Route, SocketNumber } from "../path/Route.ts"
import type { Role } from "../wire/Role.ts"
import { FrameType } from "../wire/FrameType.ts"
import type { SocketAddress } from "../wire/SocketAddress.ts"
import { TransportError, TransportErrorCode } from "../wire/TransportError.ts"
import type { TransportParameters } from "../wire/TransportParameters.ts"
import type { ConnectionConfig } from "./ConnectionConfig.ts"
import type { ConnectionEvent } from "./ConnectionEvents.ts"
import type { ConnectionPath } from "./ConnectionPath.ts"
import type { Lifecycle } from "./lifecycle.ts"
import type { Multipath } from "./Multipath.ts"
import { OffPathRoutes, type ProbeAllowance } from "./OffPathRoutes.ts"
import type { PathSet } from "./PathSet.ts"
import type { Strikes } from "./Strikes.ts"

type Result = TransportError | undefined

/** What NAT traversal needs of its connection. */
interface TraversedConnection {
  readonly config: ConnectionConfig
  readonly lifecycle: Lifecycle
  readonly events: Array<ConnectionEvent>
  readonly paths: PathSet
  readonly multipath: Multipath
  readonly strikes: Strikes
  readonly handshake: { readonly confirmed: boolean }
}

/** One call of a `TraversalListener`. */
type News = {
  [Method in keyof TraversalListener]: readonly [Method, ...Parameters<TraversalListener[Method]>]
}[keyof TraversalListener]

/**
 * NAT traversal as far as it is the connection's: candidates named and heard of, probes off the paths, and what came of
 * all that. What to do with it is up to a listener. draft-bruynooghe-n0-quic-nat-traversal
 */
export class Traversal implements TraversalPort {
  /** Undefined until the extension is negotiated, as are the next two. */
  frames: CandidateFrames | undefined = undefined
  offPath: OffPathRoutes | undefined = undefined
  private heard: PeerCandidates | undefined = undefined
  maxCandidates = 0
  private readonly parts: TraversedConnection
  private listener: TraversalListener | undefined = undefined
  private allowance: ProbeAllowance | undefined = undefined
  private news: Array<News> = []
  /** server: those advertised now, by their numbers. */
  private advertised: Set<number> | undefined = undefined
  private nextSeq = 0
  /** client: the round under way, and how many addresses were named in it. */
  private round = -1
  private named = 0

  constructor(parts: TraversedConnection) {
    this.parts = parts
  }

  get role(): Role {
    return this.parts.config.role
  }

  /** The handshake is complete, and whether there can be several paths is known. */
  start(peer: TransportParameters): void {
    const { config, multipath } = this.parts
    const ours = config.transport.maxRemoteCandidates ?? 0
    const theirs = peer.maxRemoteNatTraversalAddresses
    if (ours === 0 || theirs === undefined || !multipath.isNegotiated) return
    this.maxCandidates = theirs
    this.frames = new CandidateFrames()
    this.heard = new PeerCandidates(ours)
    this.offPath = new OffPathRoutes(config.transport.initialRttMillis * 1000, ({ remote, socket }) =>
      this.tell("onProbeFailed", remote, socket)
    )
    this.offPath.allowance = this.allowance
  }

  /** Whoever drives the traversal begins: it is told what the peer has named so far. */
  attach(listener: TraversalListener, allowance: ProbeAllowance): void {
    this.listener = listener
    this.allowance = allowance
    this.news.length = 0
    if (this.offPath !== undefined) this.offPath.allowance = allowance
    for (const [seq, address] of this.heard?.advertised ?? []) this.tell("onAddressAdvertised", seq, address)
    for (const address of this.heard?.reachedOut ?? []) this.tell("onReachOut", this.heard!.round, address)
    for (const { routes } of this.parts.paths)
      if (routes.observation?.own !== undefined)
        this.tell("onObservedAddress", routes.observation.own, routes.current.socket)
  }

  /** Calls the listener for all that has happened. Outside of the core: it may call back. */
  deliver(): void {
    const { listener, news } = this
    this.news = []
    if (listener === undefined) return
    for (const [method, ...fields] of news)
      (listener[method] as (...fields: ReadonlyArray<unknown>) => void).call(listener, ...fields)
  }

  private tell(...news: News): void {
    if (this.listener === undefined) return
    if (this.news.push(news) === 1) this.parts.events.push({ _tag: "traversal" })
  }

  /** client: what the server advertises now. */
  get candidates(): ReadonlyArray<SocketAddress> {
    return this.heard === undefined ? [] : [...this.heard.advertised.values()]
  }

  private get isActive(): boolean {
    return this.offPath !== undefined && this.parts.lifecycle.isOpen && this.parts.handshake.confirmed
  }

  // — commands ——————————————————————————————————————————————————————————————————————————————————————————————————

  advertise(address: SocketAddress): number | undefined {
    if (this.frames === undefined || this.role === "client" || address.relayed !== undefined) return undefined
    const advertised = (this.advertised ??= new Set())
    if (advertised.size >= this.maxCandidates) return undefined
    const seq = this.nextSeq++
    advertised.add(seq)
    this.frames.advertise(seq, address)
    return seq
  }

  withdraw(seq: number): void {
    if (this.advertised?.delete(seq) === true) this.frames?.withdraw(seq)
  }

  reachOut(round: number, addresses: ReadonlyArray<SocketAddress>): void {
    if (this.frames === undefined || this.role === "server" || round < this.round) return
    if (round > this.round) {
      this.round = round
      this.named = 0
      this.cancelProbes()
    }
    const own = addresses.filter(({ relayed }) => relayed === undefined)
    const named = own.slice(0, this.maxCandidates - this.named)
    this.frames.reachOut(round, named, this.named)
    this.named += named.length
  }

  probe(remote: SocketAddress, socket: SocketNumber, nowMicros: number): void {
    if (!this.isActive) return
    const isAllowed = remote.relayed === undefined && remote.port > 0
    if (!isAllowed || !this.offPath!.probe(remote, socket, this.parts.paths.active, nowMicros))
      this.tell("onProbeFailed", remote, socket)
  }

  cancelProbes(): void {
    this.offPath?.cancelProbes()
    this.offPath?.allowance?.startRound()
  }

  // — frames of the peer ————————————————————————————————————————————————————————————————————————————————————————

  onAddAddress(seq: number, address: SocketAddress): Result {
    const error = this.refusal(FrameType.ADD_ADDRESS)
    if (error !== undefined || !this.isWithin()) return error ?? this.strike(FrameType.ADD_ADDRESS)
    const isNew = this.heard!.onAdd(seq, address)
    if (isNew === true) this.tell("onAddressAdvertised", seq, address)
    return typeof isNew === "boolean" ? undefined : isNew
  }

  onRemoveAddress(seq: number): Result {
    const error = this.refusal(FrameType.REMOVE_ADDRESS)
    if (error !== undefined || !this.isWithin()) return error ?? this.strike(FrameType.REMOVE_ADDRESS)
    if (this.heard!.onRemove(seq)) this.tell("onAddressWithdrawn", seq)
    return undefined
  }

  onReachOut(round: number, address: SocketAddress): Result {
    const error = this.refusal(FrameType.REACH_OUT)
    if (error !== undefined || !this.isWithin()) return error ?? this.strike(FrameType.REACH_OUT)
    const what = this.heard!.onReachOut(round, address)
    if (what === "new") this.cancelProbes()
    if (what !== "ignored") this.tell("onReachOut", round, address)
    return undefined
  }

  private refusal(type: number): Result {
    return this.heard !== undefined
      ? undefined
      : new TransportError(
          TransportErrorCode.PROTOCOL_VIOLATION,
          "a frame of NAT traversal, which was not negotiated",
          type
        )
  }

  private isWithin(): boolean {
    return this.parts.strikes.isWithin("candidates")
  }

  private strike(type: number): Result {
    return this.parts.strikes.strike("candidates", type)
  }

  /** The peer has said what it sees as our address. */
  onObserved(address: SocketAddress, socket: SocketNumber): void {
    this.tell("onObservedAddress", address, socket)
  }

  // — off-path —————————————————————————————————————————————————————————————————————————————————————————————————

  /**
   * The route of a datagram from an address that `path` does not use. A client that wants to move there has taken another
   * connection ID (RFC 9000 §9.5), and a NAT that has rebound is found out by what is no probe.
   */
  routeOf(
    path: ConnectionPath,
    from: SocketAddress,
    socket: SocketNumber,
    sequence: number
  ): Route | undefined {
    if (!this.isActive || !path.status.isOpen) return undefined
    const { routes } = path
    if (routes.find(from, socket) !== undefined) return undefined
    if (this.role === "server" && sequence !== routes.current.localSequence) return undefined
    return this.offPath!.find(from, socket)?.route ?? routes.make(from, socket, false)
  }

  /** An authentic packet arrived there: what it asks is answered. */
  onAuthentic(path: ConnectionPath, route: Route, nowMicros: number): void {
    if (!route.validator.hasFrames()) return
    const entry = this.offPath?.keep(route, path)
    if (entry === undefined) return
    const { remote, socket } = route
    if (!entry.isTold) this.tell("onPeerProbe", remote, socket)
    entry.isTold = true
    // so a client learns of addresses that nobody has named
    if (this.role === "client" && !entry.isAnswered) this.offPath!.probe(remote, socket, path, nowMicros)
  }

  /** A PATH_RESPONSE. True if it answers a challenge of ours. */
  onResponse(data: Uint8Array, nowMicros: number): boolean {
    const answer = this.offPath?.onResponse(data, nowMicros)
    if (answer === undefined) return false
    const { route, rttMicros } = answer
    this.tell("onProbeAnswered", route.remote, route.socket, rttMicros)
    return true
  }

  get deadlineMicros(): number {
    return this.offPath === undefined ? Number.POSITIVE_INFINITY : this.offPath.deadlineMicros
  }

  onTimeout(nowMicros: number): void {
    this.offPath?.onTimeout(nowMicros)
  }
}
