import { moves } from "../internal/TransitionTable.ts"

/**
 * Where a connection is on its way to a direct path.
 *
 * **Details**
 *
 * `Discovery`: this side learns its addresses; `Coordination`: the sides exchange them; `Synchronization`: the client has the
 * server reach out; `Punching`: both probe; `Validation`: a probe was answered, and a path is validated there; `Connected`:
 * data takes a direct path; `Failed`: it takes the relay, until the next attempt.
 *
 * ```
 *   Discovery ──► Coordination ──► Synchronization ──► Punching ──► Validation ──► Connected
 *     ▲ ▲                            ▲                                               │ │
 *     │ └────────────────────────────┼───────────────────────────────────────────────┘ │
 *     │          Failed ─────────────┴─────────────────────────────────────────────────┘
 *     └────────────┘
 * ```
 *
 * Every phase but the last can also end in `Failed`, and in `Connected` when a direct path is there all of a sudden. A server
 * enters `Synchronization` whenever its client asks it to reach out, and `Failed` leads back to `Discovery`. A direct path
 * that is lost at once ends in `Failed`, so that the next attempt waits.
 *
 * @category models
 * @since 0.1.0
 */
export type Phase =
  /** this side learns its own addresses */
  | "Discovery"
  /** the sides exchange them */
  | "Coordination"
  /** the client has the server reach out, and waits until that has arrived */
  | "Synchronization"
  /** both probe */
  | "Punching"
  /** a probe was answered, and a path is validated there */
  | "Validation"
  /** data takes a direct path */
  | "Connected"
  /** data takes the relay, until the next attempt */
  | "Failed"

/** Every legal transition; anything else is refused. */
export const phaseTransitions = moves<Phase>({
  Discovery: ["Coordination", "Synchronization", "Connected", "Failed"],
  Coordination: ["Synchronization", "Connected", "Failed"],
  Synchronization: ["Punching", "Connected", "Failed"],
  Punching: ["Validation", "Synchronization", "Connected", "Failed"],
  Validation: ["Synchronization", "Connected", "Failed"],
  Connected: ["Discovery", "Synchronization", "Failed"],
  Failed: ["Discovery", "Synchronization", "Connected"]
})

/** How long a phase may take; `retryMillis` is the wait after a failure. */
export const phaseMillis = (phase: Phase, coordinationTimeoutMillis: number, retryMillis: number): number => {
  switch (phase) {
    case "Discovery":
      return 10_000
    case "Coordination":
      return coordinationTimeoutMillis
    case "Synchronization":
      return 3_000
    case "Punching":
    case "Validation":
      return 5_000
    case "Failed":
      return retryMillis
    case "Connected":
      return Number.POSITIVE_INFINITY
  }
}

/**
 * Why a phase changed.
 *
 * @category models
 * @since 0.1.0
 */
export type PhaseReason =
  /** this side knows its addresses */
  | "gathered"
  /** the phase has taken as long as it may; it went on with what there was */
  | "timeout"
  /** the peer has named addresses */
  | "candidatesExchanged"
  /** the peer asks to reach out */
  | "askedByPeer"
  /** the peer begins now too */
  | "aligned"
  /** the peer has begun */
  | "peerProbed"
  /** an address answers */
  | "probeAnswered"
  /** a direct path is in use */
  | "pathValidated"
  /** no direct path works any more */
  | "pathLost"
  /** a direct path was there without a hole being punched, or still is */
  | "alreadyDirect"
  /** neither side has an address that could be probed */
  | "noCandidates"
  /** the client has asked for nothing */
  | "notAsked"
  /** nothing that was probed has answered */
  | "noAnswer"
  /** an address answered, but no path was validated there */
  | "notValidated"
  /** it is time for another attempt */
  | "retry"
  /** a side has other addresses now */
  | "candidatesChanged"

/** A transition. */
export interface PhaseChange {
  readonly from: Phase
  readonly to: Phase
  readonly reason: PhaseReason
  /** Of the attempt, from 1; 0 before the first. */
  readonly round: number
  readonly atMicros: number
}
