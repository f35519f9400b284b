import type { ResponseOutcome } from "./PathValidator.ts"
import type { Route } from "./Route.ts"
import type { CandidateFacts } from "./RouteCandidate.ts"

interface ProbedRoutes {
  /** All routes of the path, whose number is bounded. */
  readonly all: ReadonlyArray<Route>
}

/** A response, and the route whose challenge it answers; none if it was rejected. */
export interface ProbeAnswer {
  readonly outcome: ResponseOutcome
  readonly route: Route | undefined
}

const rejected: ProbeAnswer = { outcome: "rejected", route: undefined }

/**
 * Probes the routes of a path, and says which of those that are candidates for a move has won. It never moves: whether
 * and when the path does is up to its caller.
 *
 * Candidates are raced. The lowest rank among those that validate wins: one that validates while a better one is still
 * being probed waits for that one, for the time its caller grants. Routes that are no candidates are probed too, those
 * the peer has moved to by itself.
 */
export class RouteProber {
  private readonly routes: ProbedRoutes
  private lastId = 0
  /** When a validated candidate no longer waits for better ones. */
  private settleAt = Number.POSITIVE_INFINITY

  constructor(routes: ProbedRoutes) {
    this.routes = routes
  }

  /** Makes `route` a candidate, and probes it unless that has begun. */
  probe(
    route: Route,
    { rank, label, verifierContext }: CandidateFacts,
    nowMicros: number,
    ptoMicros: number
  ): void {
    const observedAtMicros = route.observedAtMicros
    route.candidate = { id: ++this.lastId, rank, label, verifierContext, observedAtMicros }
    if (route.validator.state !== "validating") route.validator.start(nowMicros, ptoMicros)
  }

  /** A PATH_RESPONSE, which may arrive on any route. RFC 9000 §8.2.2 #4 */
  onResponse(data: Uint8Array, nowMicros: number): ProbeAnswer {
    for (const route of this.routes.all) {
      const outcome = route.validator.onResponse(data, nowMicros)
      if (outcome !== "rejected") return { outcome, route }
    }
    return rejected
  }

  /** Advances time for every route; returns those whose probing has timed out. */
  sweep(nowMicros: number): ReadonlyArray<Route> {
    return this.routes.all.filter(({ validator }) => validator.sweep(nowMicros))
  }

  /**
   * The candidate that has won, if any: to be asked when one has been validated or has failed, and at `settleMicros`.
   * `graceMicros` is how long a validated one waits for better ones.
   */
  winner(verifierContext: string, nowMicros: number, graceMicros: number): Route | undefined {
    let best: Route | undefined
    let bestRank = Number.POSITIVE_INFINITY
    let pendingRank = Number.POSITIVE_INFINITY
    for (const route of this.routes.all) {
      const { candidate, validator } = route
      if (candidate === undefined || candidate.verifierContext !== verifierContext) continue
      const { rank } = candidate
      if (validator.state === "validating") pendingRank = Math.min(pendingRank, rank)
      else if (validator.state === "validated" && rank < bestRank) {
        best = route
        bestRank = rank
      }
    }
    if (best !== undefined && pendingRank < bestRank) {
      this.settleAt = Math.min(this.settleAt, nowMicros + graceMicros)
      if (nowMicros < this.settleAt) return undefined
    }
    this.settleAt = Number.POSITIVE_INFINITY
    return best
  }

  /** When `winner` has to be asked again. */
  get settleMicros(): number {
    return this.settleAt
  }
}
