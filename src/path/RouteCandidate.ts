/** What is known of a route before it is probed for a move. */
export interface CandidateFacts {
  /** The lowest among those that validate wins. */
  readonly rank: number
  /** For people and logs. */
  readonly label: string
  /** As what the peer is authenticated: nobody else may answer. */
  readonly verifierContext: string
}

/** A route that is probed for a move to it; its ends are those of the route. */
export interface RouteCandidate extends CandidateFacts {
  /** Counts the candidates of a path from 1. */
  readonly id: number
  readonly observedAtMicros: number
}
