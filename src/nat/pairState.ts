import { moves } from "../internal/TransitionTable.ts"

/**
 * The states of a pair of candidates. RFC 8445 §6.1.2.6
 *
 * ```
 *   Waiting ──► InProgress ──► Succeeded
 *     ▲ │ └──────────┬──┼───────────▲
 *     │ └► Cancelled ◄──┘           │
 *     ├──────┘       └► Failed ─────┤
 *     └─────────────────────┴───────┘
 * ```
 *
 * A pair waits again when another round begins, also one that succeeded and whose path is lost.
 *
 * @category models
 * @since 0.1.0
 */
export type PairState = "Waiting" | "InProgress" | "Succeeded" | "Failed" | "Cancelled"

/** Every legal transition; anything else is refused. The peer's answer may come late, or before we have asked. */
export const pairTransitions = moves<PairState>({
  Waiting: ["InProgress", "Succeeded", "Cancelled"],
  InProgress: ["Succeeded", "Failed", "Cancelled"],
  Succeeded: ["Waiting"],
  Failed: ["Waiting", "Succeeded"],
  Cancelled: ["Waiting"]
})
