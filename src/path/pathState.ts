import { moves } from "../internal/TransitionTable.ts"

/**
 * The states of a path.
 *
 * ```
 *   created ──► validating ──► validated ──► active ◄──► standby
 *      │            │              │  └─────────┼───────────▲ │
 *      └────────────┴──────────────┴────────────┴─────────────┴──► closing ──► failed
 * ```
 *
 * A path can also go straight to `failed` from any state, when the peer cannot be notified.
 */
export type PathState = "created" | "validating" | "validated" | "active" | "standby" | "closing" | "failed"

/** Every legal transition; anything else is refused. No path is used before it is validated, and `failed` is final. */
export const pathTransitions = moves<PathState>({
  created: ["validating", "closing", "failed"],
  validating: ["validated", "closing", "failed"],
  validated: ["active", "standby", "closing", "failed"],
  active: ["standby", "closing", "failed"],
  standby: ["active", "closing", "failed"],
  closing: ["failed"],
  failed: []
})
