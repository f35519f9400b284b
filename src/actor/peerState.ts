/**
 * The states of a peer.
 *
 * ```
 *   idle ──► connecting ──► connected ◄──► migrating
 *    ▲ │       │  ▲             │              │
 *    │ │       │  └─────────────┼──────────────┤  restart by policy
 *    └─┼───────┴────────────────┴──────────────┤
 *      └───────► closed ◄──────────────────────┘
 * ```
 */
import { moves } from "../internal/TransitionTable.ts"
import type { QuicError } from "../QuicError.ts"

/** The state of a peer. */
export type PeerState<Connection> =
  /** No connection, and none requested. `reason` is how the last one ended, or why the attempt failed. */
  | { readonly _tag: "Idle"; readonly reason: QuicError | undefined }
  /**
   * Attempt `attempt` since the last stable connection, counted from 1. With `retryInMillis` above 0 it waits that long
   * first, because of `lastFailure`.
   */
  | {
      readonly _tag: "Connecting"
      readonly attempt: number
      readonly lastFailure: QuicError | undefined
      readonly retryInMillis: number
    }
  | { readonly _tag: "Connected"; readonly connection: Connection }
  /** Connected, and validating another route. */
  | { readonly _tag: "Migrating"; readonly connection: Connection }
  /** Closed permanently. `reason` is undefined if closed locally, otherwise why it gave up. */
  | { readonly _tag: "Closed"; readonly reason: QuicError | undefined }

type Tag = PeerState<unknown>["_tag"]

/** Every legal transition; others are refused. */
export const peerTransitions = moves<Tag>({
  Idle: ["Connecting", "Closed"],
  Connecting: ["Connecting", "Connected", "Idle", "Closed"],
  Connected: ["Migrating", "Connecting", "Idle", "Closed"],
  Migrating: ["Connected", "Connecting", "Idle", "Closed"],
  Closed: []
})

/** The current state; only legal transitions change it. */
export class PeerLifecycle<Connection> {
  #state: PeerState<Connection> = { _tag: "Idle", reason: undefined }

  get state(): PeerState<Connection> {
    return this.#state
  }

  /** Returns false and changes nothing for an illegal transition. */
  to(next: PeerState<Connection>): boolean {
    if (peerTransitions[this.#state._tag][next._tag] === undefined) return false
    this.#state = next
    return true
  }
}

/** The detail the fiber tree shows next to the state. */
export const detailOf = (state: PeerState<unknown>): string => {
  switch (state._tag) {
    case "Idle":
    case "Closed":
      return state.reason?.message ?? ""
    case "Connecting": {
      const { attempt, lastFailure, retryInMillis } = state
      const wait = retryInMillis > 0 ? `, in ${Math.round(retryInMillis)} ms` : ""
      return `attempt ${attempt}${wait}${lastFailure === undefined ? "" : `; ${lastFailure.message}`}`
    }
    case "Connected":
    case "Migrating":
      return ""
  }
}
