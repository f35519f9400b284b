import { OffPathProbe } from "../nat/OffPathProbe.ts"
import type { ProbeBudget } from "../nat/ProbeBudget.ts"
import { Route, type SocketNumber } from "../path/Route.ts"
import type { SocketAddress } from "../wire/SocketAddress.ts"
import type { ConnectionPath } from "./ConnectionPath.ts"

/** Addresses remembered: those of a round, and as many from which the peer has challenged us. */
const MAX_ENTRIES = 160
/** What is charged for a challenge: the longest short header, its frame, and the tag. */
export const CHALLENGE_BYTES = 1 + 20 + 4 + 9 + 16
/** Of a socket that takes nothing. */
const CONGESTED_MICROS = 10_000

/** What probes are charged to. */
export type ProbeAllowance = Pick<
  ProbeBudget,
  "admit" | "take" | "permittedMicros" | "onAnswered" | "startRound"
>

/** A pair of addresses that no path uses, on which challenges are sent and answered. */
export interface OffPathRoute {
  readonly route: Route
  /** Of the peer's last challenge, whose connection ID and packet numbers the answer has. */
  path: ConnectionPath
  /** Ours, while one is under way. */
  probe: OffPathProbe | undefined
  /** The listener knows that the peer is there. */
  isTold: boolean
  /** Our challenge was answered in this round. */
  isAnswered: boolean
}

/**
 * Challenges and answers that no path knows of: they say whether an address can be reached, and neither validate nor move a
 * path. An answer is held to the anti-amplification limit, a challenge to a budget. draft-bruynooghe-n0-quic-nat-traversal
 */
export class OffPathRoutes {
  /** Without one, nothing is probed. */
  allowance: ProbeAllowance | undefined = undefined
  private readonly entries: Array<OffPathRoute> = []
  private readonly onFailed: (route: Route) => void
  private readonly initialRttMicros: number

  constructor(initialRttMicros: number, onFailed: (route: Route) => void) {
    this.initialRttMicros = initialRttMicros
    this.onFailed = onFailed
  }

  find(remote: SocketAddress, socket: SocketNumber): OffPathRoute | undefined {
    return this.entries.find(({ route }) => route.is(remote, socket))
  }

  /** Remembers a route; undefined if there are too many on which something is under way. */
  keep(route: Route, path: ConnectionPath): OffPathRoute | undefined {
    const known = this.find(route.remote, route.socket)
    if (known !== undefined) {
      known.path = path
      return known
    }
    if (this.entries.length >= MAX_ENTRIES) {
      const idle = this.entries.findIndex(({ probe }) => probe === undefined)
      if (idle < 0) return undefined
      this.entries.splice(idle, 1)
    }
    const entry = { route, path, probe: undefined, isTold: false, isAnswered: false }
    this.entries.push(entry)
    return entry
  }

  /** Begins a probe, unless one is under way; false when that is not allowed. */
  probe(remote: SocketAddress, socket: SocketNumber, path: ConnectionPath, nowMicros: number): boolean {
    if (this.allowance === undefined || this.allowance.admit(remote, nowMicros) !== undefined) return false
    const route = this.find(remote, socket)?.route ?? new Route(remote, socket, false, path.peerIds.activeId)
    const entry = this.keep(route, path)
    if (entry === undefined) return false
    entry.probe ??= new OffPathProbe(this.initialRttMicros, nowMicros)
    return true
  }

  /** Another round. */
  cancelProbes(): void {
    for (const entry of this.entries) {
      entry.probe = undefined
      entry.isTold = entry.isAnswered = false
    }
  }

  /** The route whose challenge this answers, and its round-trip time. */
  onResponse(
    data: Uint8Array,
    nowMicros: number
  ): { readonly route: Route; readonly rttMicros: number } | undefined {
    for (const entry of this.entries) {
      const rttMicros = entry.probe?.roundTripMicros(data, nowMicros)
      if (rttMicros === undefined) continue
      entry.probe = undefined
      entry.isAnswered = true
      this.allowance?.onAnswered(entry.route.remote)
      return { route: entry.route, rttMicros }
    }
    return undefined
  }

  /** The next on which something may be sent now. What is not allowed is dropped or postponed, and told to `onFailed`. */
  next(nowMicros: number): OffPathRoute | undefined {
    for (const entry of this.entries) {
      if (!isDue(entry)) continue
      // the peer has moved a path to it
      if (entry.path.routes.all.includes(entry.route)) {
        this.entries.splice(this.entries.indexOf(entry), 1)
        return this.next(nowMicros)
      }
      if (entry.probe?.isDue === true) this.charge(entry, nowMicros)
      if (isDue(entry)) return entry
    }
    return undefined
  }

  private charge(entry: OffPathRoute, nowMicros: number): void {
    const { allowance } = this
    const refusal = allowance?.take(entry.route.remote, CHALLENGE_BYTES, nowMicros)
    if (allowance !== undefined && refusal === undefined) return
    if (refusal === "rate" || refusal === "bytes")
      return entry.probe!.postpone(
        Math.max(nowMicros + 1_000, allowance!.permittedMicros(CHALLENGE_BYTES, nowMicros))
      )
    entry.probe = undefined
    this.onFailed(entry.route)
  }

  /** Its socket takes nothing: the challenge is sent later, and its answers never. */
  holdBack({ route, probe }: OffPathRoute, nowMicros: number): void {
    if (probe?.isDue === true) probe.postpone(nowMicros + CONGESTED_MICROS)
    while (route.validator.pollResponse() !== undefined);
    route.validator.takeMustExpand()
  }

  get deadlineMicros(): number {
    let deadline = Number.POSITIVE_INFINITY
    for (const { probe } of this.entries)
      if (probe !== undefined) deadline = Math.min(deadline, probe.deadlineMicros)
    return deadline
  }

  /** Advances time: calls `onFailed` for what has not been answered. */
  onTimeout(nowMicros: number): void {
    for (const entry of this.entries)
      if (entry.probe?.sweep(nowMicros) === true) {
        entry.probe = undefined
        this.onFailed(entry.route)
      }
  }
}

/** How large a datagram with answers may be; 0 when there are none, or they have to wait. */
export const answerBytes = ({ route }: OffPathRoute): number => {
  const { validator, amplification, leastBytes } = route
  const bytes = Math.min(validator.unboundBytes, amplification.remaining)
  return bytes >= leastBytes ? bytes : 0
}

const isDue = (entry: OffPathRoute): boolean => entry.probe?.isDue === true || answerBytes(entry) > 0
