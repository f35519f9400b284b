import type { ConnectionIdError } from "../path/connectionIdErrors.ts"
import type { PathObservation } from "../nat/PathObservation.ts"
import { Route, type SocketNumber } from "../path/Route.ts"
import type { PeerConnectionIds } from "../path/PeerConnectionIds.ts"
import { type SocketAddress, sameAddress } from "../wire/SocketAddress.ts"
import { WORTHWHILE_BYTES } from "./ConnectionConfig.ts"

/** The limit of routes being probed; the oldest is dropped. Bounds what forged source addresses can allocate. */
export const MAX_CANDIDATES = 4

/**
 * The routes of one path: the current one, the fallback, and those being probed. No two share a connection ID, as far
 * as the peer's supply of IDs allows. RFC 9000 §9.5
 */
export class RouteSet {
  current: Route
  /** The last validated route before `current`, until `current` is validated. RFC 9000 §9.3.2 */
  fallback: Route | undefined = undefined
  /** What each end sees of the other on the current one; undefined if neither is interested. */
  observation: PathObservation | undefined = undefined
  private readonly peerIds: PeerConnectionIds
  private readonly candidates: Array<Route> = []

  constructor(peerIds: PeerConnectionIds, first: Route) {
    this.peerIds = peerIds
    this.current = first
    first.isProven = true
    first.leastBytes = WORTHWHILE_BYTES
  }

  find(remote: SocketAddress, socket: SocketNumber): Route | undefined {
    if (this.current.is(remote, socket)) return this.current
    if (this.fallback?.is(remote, socket) === true) return this.fallback
    return this.candidates.find((route) => route.is(remote, socket))
  }

  /** Whether any route leads to this address of the peer. */
  hasRemote(remote: SocketAddress): boolean {
    return this.all.some((route) => sameAddress(route.remote, remote))
  }

  /** A new route. It is dropped unless `keep` or `use` follows. */
  make(remote: SocketAddress, socket: SocketNumber, addressValidated: boolean): Route {
    return new Route(remote, socket, addressValidated, this.peerIds.activeId)
  }

  /** Assigns the route an ID that no other uses; false when the peer has provided none. */
  assignUnusedId(route: Route): boolean {
    if (
      route !== this.current &&
      route.destinationId !== this.current.destinationId &&
      route.destinationId.state === "used"
    )
      return true
    const own = this.peerIds.next()
    if (own === undefined) return false
    route.destinationId = own
    return true
  }

  /** Switches to another of the peer's IDs; false when it has provided none. RFC 9000 §5.1.2 */
  renewId(): boolean {
    const { peerIds } = this
    if (peerIds.isZeroLength) return true
    const next = peerIds.next()
    if (next === undefined) return false
    this.replaceId(next.sequence)
    return true
  }

  /** Switches to the unused ID with that number. */
  activateId(sequence: number): ConnectionIdError | undefined {
    const { peerIds } = this
    if (peerIds.activeId.sequence === sequence && peerIds.usable) return undefined
    const refusal = peerIds.changeRefusal(sequence)
    if (refusal !== undefined) return refusal
    this.replaceId(sequence)
    return undefined
  }

  /** Retires the unused ID with that number; the peer then provides another. */
  retireId(sequence: number): ConnectionIdError | undefined {
    return this.peerIds.changeRefusal(sequence) ?? this.peerIds.retire(sequence)
  }

  private replaceId(sequence: number): void {
    const { current, peerIds } = this
    const before = current.destinationId
    peerIds.activate(sequence)
    current.destinationId = peerIds.activeId
    if (!this.all.some((route) => route.destinationId === before)) peerIds.retire(before.sequence)
  }

  /** The first route of a path that the client opens. */
  begin(route: Route): void {
    this.current = route
    route.leastBytes = WORTHWHILE_BYTES
  }

  /** Neither the path nor any route of it is used again. */
  abandon(): void {
    for (const route of this.all) route.validator.cancel()
    this.fallback = undefined
    this.candidates.length = 0
  }

  /** Keeps a route that is being probed. Returns the one dropped for it, if any. */
  keep(route: Route): Route | undefined {
    if (route === this.current || route === this.fallback || this.candidates.includes(route)) return undefined
    const oldest = this.candidates.length === MAX_CANDIDATES ? this.candidates[0] : undefined
    if (oldest !== undefined) this.drop(oldest)
    this.candidates.push(route)
    return oldest
  }

  /** Makes `route` the current one; a validated predecessor becomes the fallback. RFC 9000 §9.3.2 */
  use(route: Route): void {
    const { current, fallback } = this
    if (route === current) return
    const at = this.candidates.indexOf(route)
    if (at >= 0) this.candidates.splice(at, 1)
    if (current.isProven) this.fallback = current
    else if (fallback === route) this.fallback = undefined
    this.current = route
    if (route.destinationId.state !== "retired") this.peerIds.activate(route.destinationId.sequence)
    route.destinationId = this.peerIds.activeId
    for (const left of [current, fallback])
      if (left !== undefined && left !== this.current && left !== this.fallback) this.release(left)
  }

  /** Drops a route other than the current one, and retires its ID. */
  drop(route: Route): void {
    if (route === this.current) return
    if (route === this.fallback) this.fallback = undefined
    const at = this.candidates.indexOf(route)
    if (at >= 0) this.candidates.splice(at, 1)
    this.release(route)
  }

  /** The peer has retired an ID of ours, and with it the routes on which it only probed. RFC 9000 §5.1.2 */
  onRetired(sequence: number): void {
    for (const route of [...this.candidates])
      if (
        route.localSequence === sequence &&
        route.candidate === undefined &&
        route.validator.state !== "validating"
      )
        this.drop(route)
  }

  /** Replaces the IDs the peer has retired. */
  replaceRetiredIds(): void {
    this.current.destinationId = this.peerIds.activeId
    if (this.fallback?.destinationId.state === "retired") this.assignUnusedId(this.fallback)
    for (const route of this.candidates)
      if (route.destinationId.state === "retired") this.assignUnusedId(route)
  }

  /** Whether the current route, or one preferred to it, is still being validated. */
  get isMoving(): boolean {
    return !this.current.isProven || this.candidates.some((route) => route.candidate !== undefined)
  }

  /** A route other than the current one with a challenge or response that may be sent. */
  get probing(): Route | undefined {
    if (this.fallback !== undefined && canProbe(this.fallback)) return this.fallback
    return this.candidates.length === 0 ? undefined : this.candidates.find(canProbe)
  }

  get deadlineMicros(): number {
    let deadline = this.current.validator.deadlineMicros
    if (this.fallback !== undefined) deadline = Math.min(deadline, this.fallback.validator.deadlineMicros)
    for (const { validator } of this.candidates) deadline = Math.min(deadline, validator.deadlineMicros)
    return deadline
  }

  /** All routes, the current one first. */
  get all(): ReadonlyArray<Route> {
    const { current, fallback, candidates } = this
    return fallback === undefined ? [current, ...candidates] : [current, fallback, ...candidates]
  }

  private release(route: Route): void {
    route.validator.cancel()
    const { destinationId } = route
    if (
      destinationId.state !== "used" ||
      this.all.some((other) => other !== route && other.destinationId === destinationId)
    )
      return
    // RFC 9000 §5.1.2 #S1: the IDs of unused addresses are retired
    this.peerIds.retire(destinationId.sequence)
  }
}

const canProbe = (route: Route): boolean =>
  route.validator.unboundBytes >= route.leastBytes &&
  route.destinationId.state !== "retired" &&
  route.amplification.remaining >= route.leastBytes
