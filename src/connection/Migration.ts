import { NEVER_OBSERVED, type Route, type SocketNumber } from "../path/Route.ts"
import type { MigrationReason } from "../path/migrationReason.ts"
import type { CandidateFacts } from "../path/RouteCandidate.ts"
import { RouteProber } from "../path/RouteProber.ts"
import { sameAddress, type SocketAddress } from "../wire/SocketAddress.ts"
import { silentClose } from "./lifecycle.ts"
import type { MovingConnection, MovingPath } from "./MovingConnection.ts"
import { isNatRebinding, type MovePolicy, type MoveRefusal, type MoverState, rfc9000 } from "./movePolicy.ts"
import { offerToken } from "./offerToken.ts"
import type { RouteSet } from "./RouteSet.ts"

/** Of a candidate that was given neither rank nor label. */
const PLAIN = { rank: 0, label: "" }

/**
 * Changes the route of one path: because the peer's address changed, because our socket did, or because the server
 * prefers another address. A `RouteProber` probes; who may move is up to a `MovePolicy`. RFC 9000 §9
 */
export class Migration {
  private readonly parts: MovingConnection
  private readonly path: MovingPath
  private readonly policy: MovePolicy
  private readonly prober: RouteProber
  /** The socket of the handshake. */
  private readonly firstSocket: SocketNumber
  /** The local socket to move to as soon as that is allowed. */
  awaited: SocketNumber | undefined = undefined
  private awaitedReason: MigrationReason = "ActiveMigration"
  /** On the server's preferred address: disable_active_migration no longer applies. RFC 9000 §18.2 */
  private onPreferred = false

  constructor(parts: MovingConnection, path: MovingPath, policy: MovePolicy = rfc9000) {
    this.parts = parts
    this.path = path
    this.policy = policy
    this.prober = new RouteProber(path.routes)
    this.firstSocket = path.routes.current.socket
  }

  /**
   * The route a datagram arrived on; undefined when it has to be dropped. `sequence` is that of the connection ID it was
   * sent to.
   */
  routeOf(
    remote: SocketAddress,
    socket: SocketNumber,
    sequence: number,
    nowMicros: number
  ): Route | undefined {
    const { parts, routes } = this
    const { current } = routes
    if (current.is(remote, socket)) return current
    const known = routes.find(remote, socket)
    if (known !== undefined) return known
    // RFC 9000 §9 #5, §9.6 #S1: a client MUST discard packets from an unknown server address
    if (parts.config.role === "client") return routes.all.find((route) => sameAddress(route.remote, remote))
    const isRebinding = isNatRebinding(current, socket, sequence, undefined, nowMicros)
    return this.policy.admitsPeer(this.stateAt(socket), isRebinding)
      ? routes.make(remote, socket, false)
      : undefined
  }

  /** An authentic packet arrived on `route`; it is only remembered if the packet was ack-eliciting. */
  onAuthentic(route: Route, nowMicros: number): void {
    const { routes, parts } = this
    if (route === routes.current) return
    if (route.observedAtMicros < 0) route.observedAtMicros = nowMicros
    if (!route.validator.hasFrames() || !this.admit(route)) return
    this.keep(route, nowMicros)
    // RFC 9000 §9.6.3 #S2: a client that probes may migrate next
    if (parts.config.role === "server" && !route.isProven && route.validator.state === "idle")
      route.validator.start(nowMicros, this.ptoMicros)
  }

  /** The newest packet, a non-probing one, arrived on `route`. RFC 9000 §9.3 */
  onNewest(route: Route, nowMicros: number): void {
    const { routes, parts } = this
    const { current, fallback } = routes
    if (parts.config.role === "client") {
      // the server has followed: nothing will arrive on the old route any more
      if (route !== current || fallback === undefined || !current.isProven) return
      routes.drop(fallback)
      parts.events.push({ _tag: "moved" }) // its socket may be closed
      return
    }
    if (route === current) return
    if (route.observedAtMicros < 0) route.observedAtMicros = nowMicros
    const reason = this.reasonOfPeer(route, nowMicros)
    if (!this.policy.admitsPeer(this.stateAt(route.socket), reason === "NatRebinding")) return
    if (!this.admit(route)) return
    this.request(route, reason, nowMicros)
    if (route.socket === current.socket || route.isProven) return this.move(route, nowMicros)
    // RFC 9000 §9.6.2 #2 #3: a server uses its preferred address once the path from it is validated
    this.keep(route, nowMicros)
    this.compete(route, PLAIN, nowMicros)
  }

  /**
   * A PATH_RESPONSE, which may arrive on any route. True when it answers a challenge of this path.
   * RFC 9000 §8.2.2 #4
   */
  onResponse(data: Uint8Array, nowMicros: number): boolean {
    const { outcome, route } = this.prober.onResponse(data, nowMicros)
    if (route === undefined) return false
    if (outcome === "late") return true
    const { current } = this.routes
    route.amplification.validate() // RFC 9000 §8.2.3
    if (route === current) this.path.recovery.setAmplificationLimited(false)
    if (outcome === "validated") this.onProven(route, nowMicros)
    if (this.parts.config.role === "server" && this.routes.current.isProven) offerToken(this.parts, nowMicros)
    return true
  }

  /** When `onTimeout` is due. */
  get deadlineMicros(): number {
    return Math.min(this.routes.deadlineMicros, this.prober.settleMicros)
  }

  onTimeout(nowMicros: number): void {
    for (const route of this.prober.sweep(nowMicros)) this.onFailed(route, nowMicros)
    this.moveToWinner(nowMicros)
  }

  /**
   * Our socket was replaced: moves to the new one at once, since the old one may be dead, and validates it meanwhile. A
   * temporary refusal is retried later.
   */
  rebind(socket: SocketNumber, reason: MigrationReason, nowMicros: number): MoveRefusal | undefined {
    const refusal = this.refusal()
    if (refusal === "disabled" || refusal === "server") return refusal
    this.awaited = socket
    this.awaitedReason = reason
    return this.retry(nowMicros)
  }

  /** Retries a move that was refused. */
  retry(nowMicros: number): MoveRefusal | undefined {
    const { routes, awaited } = this
    if (awaited === undefined) return undefined
    const refusal = this.refusal()
    if (refusal !== undefined) return refusal
    const route = routes.make(routes.current.remote, awaited, true)
    if (!routes.assignUnusedId(route)) return "noConnectionId"
    this.awaited = undefined
    this.preferFrom(awaited, nowMicros)
    this.request(route, this.awaitedReason, nowMicros)
    this.move(route, nowMicros)
    return undefined
  }

  /**
   * Probes the route from another local socket, and moves to it once it has won: of those probed at once, that of the
   * lowest rank. RFC 9000 §9.1
   */
  probe(
    socket: SocketNumber,
    reason: MigrationReason,
    nowMicros: number,
    about: { readonly rank: number; readonly label: string } = PLAIN
  ): MoveRefusal | undefined {
    const { remote } = this.routes.current
    const refusal = this.refusal() ?? this.startProbing(remote, socket, reason, nowMicros, about)
    if (refusal === undefined) this.preferFrom(socket, nowMicros)
    return refusal
  }

  /** Validates the first route of a path that was opened. draft-ietf-quic-multipath §3.1 */
  validate(nowMicros: number): void {
    this.routes.current.validator.start(nowMicros, this.ptoMicros)
  }

  /** Drops the routes of `socket`, except the current one. */
  abandon(socket: SocketNumber, nowMicros: number): void {
    const { routes } = this
    if (this.awaited === socket) this.awaited = undefined
    for (const route of routes.all)
      if (route.socket === socket && route !== routes.current) {
        routes.drop(route)
        this.reject(route, "Abandoned", nowMicros)
      }
  }

  /**
   * The server prefers `remote`: moves there once validated. RFC 9000 §9.6.1 #S1 #S2, §9.6.2 #1, §21.5.3
   */
  prefer(remote: SocketAddress, nowMicros: number): void {
    if (this.startProbing(remote, this.routes.current.socket, "PreferredAddress", nowMicros) === undefined)
      this.onPreferred = true
  }

  /**
   * RFC 9000 §9.6.3 #S1: after a migration, a preferred address still being validated is probed from the new socket
   * too.
   */
  private preferFrom(socket: SocketNumber, nowMicros: number): void {
    const { current, all } = this.routes
    const asked = all.find(
      ({ candidate, remote }) => candidate !== undefined && !sameAddress(remote, current.remote)
    )
    if (asked !== undefined) this.startProbing(asked.remote, socket, "PreferredAddress", nowMicros)
  }

  /**
   * A late response to an earlier challenge must not undo the latest change of either end of the path. RFC 9000
   * §9.6.3 #1
   */
  private forgetWanted(before: Route, nowMicros: number): void {
    const { routes } = this
    const { current, all } = routes
    const hasNewRemote = !sameAddress(before.remote, current.remote)
    const hasNewSocket = before.socket !== current.socket
    for (const route of all)
      if (
        route.candidate !== undefined &&
        ((hasNewRemote && !sameAddress(route.remote, current.remote)) ||
          (hasNewSocket && route.socket !== current.socket))
      ) {
        routes.drop(route)
        this.reject(route, "Superseded", nowMicros)
      }
  }

  private startProbing(
    remote: SocketAddress,
    socket: SocketNumber,
    reason: MigrationReason,
    nowMicros: number,
    about = PLAIN
  ): MoveRefusal | undefined {
    const { routes } = this
    const route = routes.find(remote, socket) ?? routes.make(remote, socket, true)
    if (route === routes.current) return undefined
    if (!routes.assignUnusedId(route)) return "noConnectionId" // RFC 9000 §9.5 #1
    if (route.observedAtMicros < 0) route.observedAtMicros = nowMicros
    this.keep(route, nowMicros)
    route.validator.cancel() // a later answer must be to this request
    this.compete(route, about, nowMicros)
    this.request(route, reason, nowMicros)
    this.parts.events.push({ _tag: "moved" })
    return undefined
  }

  private compete(route: Route, { rank, label }: typeof PLAIN, nowMicros: number): void {
    const { verifierContext } = this.parts.migrationTrace
    const facts: CandidateFacts = { rank, label, verifierContext }
    this.prober.probe(route, facts, nowMicros, this.ptoMicros)
  }

  /** Moves once the race between the candidates is decided; until then, a worse one waits a PTO for a better one. */
  private moveToWinner(nowMicros: number): void {
    const { parts, prober, path } = this
    const { verifierContext } = parts.migrationTrace
    const winner = prober.winner(verifierContext, nowMicros, path.recovery.ptoMicros())
    if (winner !== undefined) this.move(winner, nowMicros)
  }

  private keep(route: Route, nowMicros: number): void {
    const dropped = this.routes.keep(route)
    if (dropped !== undefined) this.reject(dropped, "Superseded", nowMicros)
  }

  /** A move to `route` begins, unless it already has. */
  private request(route: Route, reason: MigrationReason, nowMicros: number): void {
    if (route.moveReason !== undefined) return
    route.moveReason = reason
    this.parts.migrationTrace.requested(reason, this.routes.current, route, nowMicros)
  }

  /** The move to `route`, if there is one, has failed. */
  private reject(route: Route, outcome: "TimedOut" | "Abandoned" | "Superseded", nowMicros: number): void {
    const { moveReason } = route
    if (moveReason === undefined) return
    route.moveReason = undefined
    this.parts.migrationTrace.rejected(moveReason, this.leftFor(route), route, outcome, nowMicros)
  }

  /** The route that a move to `route` leaves, or has left. */
  private leftFor(route: Route): Route {
    const { current, fallback } = this.routes
    return route === current && fallback !== undefined ? fallback : current
  }

  /** Why the client has moved. */
  private reasonOfPeer(route: Route, nowMicros: number): MigrationReason {
    const { current } = this.routes
    const { socket, localSequence } = route
    if (socket !== current.socket) return "PreferredAddress"
    return isNatRebinding(current, socket, localSequence, route, nowMicros)
      ? "NatRebinding"
      : "ActiveMigration"
  }

  private refusal(): MoveRefusal | undefined {
    return this.policy.refusal(this.stateAt(this.routes.current.socket))
  }

  private stateAt(socket: SocketNumber): MoverState {
    const { handshake, config } = this.parts
    const isClient = config.role === "client"
    return {
      role: config.role,
      isConfirmed: handshake.confirmed,
      isDisabled: isClient
        ? handshake.peerParameters?.disableActiveMigration === true
        : config.transport.disableActiveMigration,
      isOnPreferred: isClient
        ? this.onPreferred
        : config.preferred !== undefined && socket !== this.firstSocket
    }
  }

  /**
   * Whether `route` may be used: RFC 9000 §9.5 #2, a peer that migrated uses a new ID of ours and needs a new ID of its
   * own; one behind a rebinding NAT does not know that its address changed and keeps both.
   */
  private admit(route: Route): boolean {
    const { routes } = this
    if (route.localSequence === routes.current.localSequence) return true
    return routes.assignUnusedId(route)
  }

  private move(route: Route, nowMicros: number): void {
    const { routes, path, parts } = this
    const before = routes.current
    this.reject(before, "Superseded", nowMicros)
    routes.use(route)
    parts.migrationTrace.committed(route.moveReason!, before, route, nowMicros)
    route.candidate = undefined
    before.observedAtMicros = NEVER_OBSERVED
    if (route.isProven) route.moveReason = undefined
    else route.validator.start(nowMicros, this.ptoMicros) // RFC 9000 §9 #4, §9.3 #1
    const { fallback } = routes
    if (parts.config.role === "client") {
      this.forgetWanted(before, nowMicros)
      parts.frames.pingOn(path) // a non-probing packet makes the server follow
    }
    // RFC 9000 §9.3.3 #1: the previous route is probed too, against off-path attackers who forward packets faster
    else if (fallback !== undefined && fallback.validator.state !== "validating")
      fallback.validator.start(nowMicros, this.ptoMicros)
    path.onMoved(before, nowMicros)
    parts.events.push({ _tag: "moved" })
  }

  private onProven(route: Route, nowMicros: number): void {
    const { routes, parts } = this
    route.isProven = true
    const { moveReason } = route
    if (moveReason !== undefined)
      parts.migrationTrace.validated(moveReason, this.leftFor(route), route, nowMicros)
    if (route.candidate !== undefined) return this.moveToWinner(nowMicros)
    route.moveReason = undefined
    parts.events.push({ _tag: "moved" })
    const { current, fallback } = routes
    if (fallback === undefined || parts.config.role === "client" || !current.isProven) return
    if (fallback.validator.state !== "validating") routes.drop(fallback)
  }

  private onFailed(route: Route, nowMicros: number): void {
    const { routes, parts, path } = this
    const { current, fallback } = routes
    this.reject(route, "TimedOut", nowMicros)
    if (route === current) {
      if (fallback === undefined) {
        // RFC 9000 §9.3.2 #2: no validated address of the client is left
        // of a path that was just opened, others are left
        if (parts.config.role === "server" && !route.isProven && !parts.paths.hasSeveralOpen)
          parts.closer.discard(silentClose("idleTimeout"))
        return
      }
      // RFC 9000 §9.3.2 #1: back to the last validated address
      route.isProven = false
      routes.use(fallback)
      path.onMoved(route, nowMicros)
      parts.events.push({ _tag: "moved" })
      return
    }
    // RFC 9000 §9.6.1 #1: a route that was only probed is dropped and the current one stays;
    // but the fallback is the only way back while the current route is not validated
    if (route === fallback && !current.isProven) return
    routes.drop(route)
    parts.events.push({ _tag: "moved" })
  }

  /** RFC 9000 §8.2.4: the larger PTO of the current route and a new one. */
  private get ptoMicros(): number {
    return Math.max(this.path.recovery.ptoMicros(), 3 * 1000 * this.parts.config.transport.initialRttMillis)
  }

  private get routes(): RouteSet {
    return this.path.routes
  }
}
