import { Route, type SocketNumber } from "../path/Route.ts"
import type { PeerConnectionIds } from "../path/PeerConnectionIds.ts"
import { type SocketAddress, sameAddress } from "../wire/SocketAddress.ts"
import { WORTHWHILE_BYTES } from "./ConnectionConfig.ts"

/** Routes that are only probed, at once; of more, the newest. What anyone on the way can forge stays small. */
export const MAX_CANDIDATES = 4

/**
 * The routes of one path: the one in use, the one to fall back to, and those that are merely probed. Keeps the rule that
 * no connection ID is used on two of them, as far as the peer's supply of IDs goes. RFC 9000 §9.5
 */
export class RouteSet {
  current: Route
  /** The last validated one before `current`, until `current` has proven itself. RFC 9000 §9.3.2 */
  fallback: Route | undefined = undefined
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

  /** Whether the peer is, or may be, at this address. */
  leadTo(remote: SocketAddress): boolean {
    return this.all.some((route) => sameAddress(route.remote, remote))
  }

  /** A route not known before. It is forgotten unless `keep` or `use` follows. */
  make(remote: SocketAddress, socket: SocketNumber, addressValidated: boolean): Route {
    return new Route(remote, socket, addressValidated, this.peerIds.activeId)
  }

  /** Gives the route an ID that no other uses; false while the peer has given none. */
  giveOwnId(route: Route): boolean {
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

  /** Addresses the peer by another ID from now on; false while it has given none. RFC 9000 §5.1.2 */
  renewId(): boolean {
    const { current, peerIds } = this
    if (peerIds.isZeroLength) return true
    const before = current.destinationId
    const next = peerIds.next()
    if (next === undefined) return false
    current.destinationId = next
    peerIds.activate(next.sequence)
    if (!this.all.some((route) => route.destinationId === before)) peerIds.retire(before.sequence)
    return true
  }

  /** Remembers a route, as one that is probed. */
  keep(route: Route): void {
    if (route === this.current || route === this.fallback || this.candidates.includes(route)) return
    if (this.candidates.length === MAX_CANDIDATES) this.drop(this.candidates[0])
    this.candidates.push(route)
  }

  /** Moves to `route`; what was used so far is kept to fall back to if it was proven. RFC 9000 §9.3.2 */
  use(route: Route): void {
    const { current, fallback } = this
    if (route === current) return
    const at = this.candidates.indexOf(route)
    if (at >= 0) this.candidates.splice(at, 1)
    if (current.isProven) this.fallback = current
    else if (fallback === route) this.fallback = undefined
    this.current = route
    route.isWanted = false
    if (route.destinationId.state !== "retired") this.peerIds.activate(route.destinationId.sequence)
    route.destinationId = this.peerIds.activeId
    for (const left of [current, fallback])
      if (left !== undefined && left !== this.current && left !== this.fallback) this.release(left)
  }

  /** Forgets a route other than the one in use, and gives its ID back. */
  drop(route: Route): void {
    if (route === this.current) return
    if (route === this.fallback) this.fallback = undefined
    const at = this.candidates.indexOf(route)
    if (at >= 0) this.candidates.splice(at, 1)
    this.release(route)
  }

  /** The peer has given back an ID of ours, and with it the routes on which it did no more than to ask. RFC 9000 §5.1.2 */
  onRetired(sequence: number): void {
    for (const route of [...this.candidates])
      if (route.localSequence === sequence && !route.isWanted && route.validator.state !== "validating")
        this.drop(route)
  }

  /** Puts an ID in the place of those the peer has taken back. */
  refreshIds(): void {
    this.current.destinationId = this.peerIds.activeId
    if (this.fallback?.destinationId.state === "retired") this.giveOwnId(this.fallback)
    for (const route of this.candidates) if (route.destinationId.state === "retired") this.giveOwnId(route)
  }

  /** Whether it is still to be seen if the peer answers over the route in use, or over one that is wanted more. */
  get isMoving(): boolean {
    return !this.current.isProven || this.candidates.some((route) => route.isWanted)
  }

  /** A route other than the one in use with a challenge or a response to send, and leave to send it. */
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

  /** All, the one in use first. */
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
    // RFC 9000 §5.1.2 #S1: an ID bound to addresses that are not used any more is given back
    this.peerIds.retire(destinationId.sequence)
  }
}

const canProbe = (route: Route): boolean =>
  route.validator.unboundBytes >= route.leastBytes &&
  route.destinationId.state !== "retired" &&
  route.amplification.remaining >= route.leastBytes
