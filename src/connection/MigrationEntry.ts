import type { MigrationReason } from "../path/migrationReason.ts"
import type { SocketAddress } from "../wire/SocketAddress.ts"

/** What happened to a path, or to the keys. */
export type MigrationStep = "Requested" | "PathValidated" | "Committed" | "Rejected" | "KeyUpdate"

/**
 * Where the move stands after an entry.
 *
 * - `Pending`: not moved yet
 * - `Unvalidated`: moved, and the new path still has to be validated
 * - `Complete`: moved, and the new path is validated
 * - `TimedOut`: nothing answered over the new path
 * - `Abandoned`: given up by this side
 * - `Superseded`: another move took its place
 * - `Initiated`, `Followed`: new keys, first used by this side or by the peer
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

/** The two ends of a path. */
export interface PathEnds {
  readonly local: SocketAddress
  readonly remote: SocketAddress
}

/** Where a qlog reports what happened. */
export interface QlogPointer {
  /** Name of the log: the original destination connection ID and the role. */
  readonly log: string
  /** Index of the event, from 0; the header of the log is not counted. */
  readonly event: number
  /** Its `time`, in milliseconds. */
  readonly timeMillis: number
}

/** One step of a migration, or a key update. */
export interface MigrationEntry {
  readonly _tag: MigrationStep
  /** Counts the entries of the connection from 1. */
  readonly number: number
  /** Since the start of the connection. */
  readonly timeMillis: number
  readonly from: PathEnds
  /** Equal to `from` for a key update. */
  readonly to: PathEnds
  /** Undefined for a key update. */
  readonly reason: MigrationReason | undefined
  readonly outcome: MigrationOutcome
  /** Key updates before this entry, it included. */
  readonly keyPhase: number
  /** As what the peer is authenticated. */
  readonly verifierContext: string
  /** Undefined unless the connection is logged. */
  readonly qlog: QlogPointer | undefined
}
