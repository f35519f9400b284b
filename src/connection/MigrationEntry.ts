import type { MigrationReason } from "../path/migrationReason.ts"
import type { SocketAddress } from "../wire/SocketAddress.ts"

/**
 * What happened to a path, or to the keys.
 *
 * @category models
 * @since 0.1.0
 */
export type MigrationStep = "Requested" | "PathValidated" | "Committed" | "Rejected" | "KeyUpdate"

/**
 * Where a move stands after an entry of the trace.
 *
 * **Details**
 *
 * - `Pending`: not moved yet
 * - `Unvalidated`: moved, and the new path still has to be validated
 * - `Complete`: moved, and the new path is validated
 * - `TimedOut`: nothing answered over the new path
 * - `Abandoned`: given up by this side
 * - `Superseded`: another move took its place
 * - `Initiated`, `Followed`: new keys, first used by this side or by the peer
 *
 * @category models
 * @since 0.1.0
 */
export type MigrationOutcome =
  | "Pending"
  | "Unvalidated"
  | "Complete"
  | "TimedOut"
  | "Abandoned"
  | "Superseded"
  | "Initiated"
  | "Followed"

/**
 * The two ends of a path.
 *
 * @category models
 * @since 0.1.0
 */
export interface PathEnds {
  /** Address of this side. That of a wildcard socket names no host. */
  readonly local: SocketAddress
  /** Address of the peer. */
  readonly remote: SocketAddress
}

/**
 * What a route was probed as.
 *
 * @category models
 * @since 0.1.0
 */
export interface CandidateInfo {
  /** Counts the candidates of a path from 1. */
  readonly id: number
  /** The lowest among those that validate wins. */
  readonly rank: number
  /** The label given to `connection.migrate`, or empty. */
  readonly label: string
  /** When it was first seen, since the start of the connection. */
  readonly observedAtMillis: number
}

/**
 * Where the qlog of a connection reports an entry of its trace.
 *
 * @category models
 * @since 0.1.0
 */
export interface QlogPointer {
  /** Name of the log: the original destination connection ID and the role. */
  readonly log: string
  /** Index of the event, from 0; the header of the log is not counted. */
  readonly event: number
  /** Its `time`, in milliseconds. */
  readonly timeMillis: number
}

/**
 * One step of a migration, or a key update.
 *
 * **Details**
 *
 * A move is `Requested`; then, in either order, its `PathValidated` and `Committed`; or it ends with `Rejected`, after which
 * the connection is where it was, unless no way back is left. A path that was validated before needs no `PathValidated`.
 *
 * **Example** (A log of moves)
 *
 * ```ts
 * import { Effect, Stream } from "effect"
 * import type { QuicConnection } from "effect-quic"
 *
 * const logMoves = (connection: QuicConnection) =>
 *   Stream.runForEach(connection.migrations, ({ _tag, reason, outcome, to, qlog }) =>
 *     Effect.log(_tag, reason, outcome, to.remote, qlog)
 *   )
 * ```
 *
 * @category models
 * @since 0.1.0
 */
export interface MigrationEntry {
  /** What happened. */
  readonly _tag: MigrationStep
  /** Counts the entries of the connection from 1. */
  readonly number: number
  /** Since the start of the connection. */
  readonly timeMillis: number
  /** The path that is left. */
  readonly from: PathEnds
  /** The path to move to; equal to `from` for a key update. */
  readonly to: PathEnds
  /** Why; undefined for a key update. */
  readonly reason: MigrationReason | undefined
  /** The route to move to, as a candidate; undefined if the path moved there without waiting for its validation. */
  readonly candidate: CandidateInfo | undefined
  /** Where the move stands. */
  readonly outcome: MigrationOutcome
  /** Key updates before this entry, it included. */
  readonly keyPhase: number
  /**
   * As what the peer is authenticated: `x509:` or `rawPublicKey:` and the SHA-256 of its certificate or public key in
   * hexadecimal, which is the `PeerId` of a raw key, or `anonymous`. The same before and after every move.
   */
  readonly verifierContext: string
  /** Its event in the qlog; undefined unless the connection is logged. */
  readonly qlog: QlogPointer | undefined
}
