/**
 * The life of a peer.
 *
 * ```
 *   idle ──► connecting ──► connected ◄──► migrating
 *    ▲ │       │  ▲             │              │
 *    │ │       │  └─────────────┼──────────────┤  restart by policy
 *    └─┼───────┴────────────────┴──────────────┤
 *      └───────► closed ◄──────────────────────┘
 * ```
 */
import type { QuicConnection } from "../QuicConnection.ts"
import type { QuicError } from "../QuicError.ts"

/** What a peer is doing. */
export type PeerState =
  /** There is no connection, and none is wanted. `reason`: how the last one ended, or why none could be made. */
  | { readonly _tag: "Idle"; readonly reason: QuicError | undefined }
  /**
   * The `attempt`th since the last connection that lasted, counted from 1; when `retryInMillis` is more than 0 it waits
   * that long first, because of `lastFailure`.
   */
  | {
      readonly _tag: "Connecting"
      readonly attempt: number
      readonly lastFailure: QuicError | undefined
      readonly retryInMillis: number
    }
  | { readonly _tag: "Connected"; readonly connection: QuicConnection }
  /** Connected, and finding out whether the peer answers over another path. */
  | { readonly _tag: "Migrating"; readonly connection: QuicConnection }
  /** For good. `reason` is undefined when this side closed it, otherwise what it gave up over. */
  | { readonly _tag: "Closed"; readonly reason: QuicError | undefined }

type Tag = PeerState["_tag"]

/** Every legal transition; what is not listed is refused. */
export const peerTransitions: { readonly [S in Tag]: ReadonlyArray<Tag> } = {
  Idle: ["Connecting", "Closed"],
  Connecting: ["Connecting", "Connected", "Idle", "Closed"],
  Connected: ["Migrating", "Connecting", "Idle", "Closed"],
  Migrating: ["Connected", "Connecting", "Idle", "Closed"],
  Closed: []
}

/** The state, movable only along the table. */
export class PeerLifecycle {
  #state: PeerState = { _tag: "Idle", reason: undefined }

  get state(): PeerState {
    return this.#state
  }

  /** False, and no change, for an illegal transition. */
  to(next: PeerState): boolean {
    if (!peerTransitions[this.#state._tag].includes(next._tag)) return false
    this.#state = next
    return true
  }
}
