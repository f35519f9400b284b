import { moves } from "../internal/TransitionTable.ts"

/**
 * The life of a path.
 *
 * ```
 *   created ──► validating ──► validated ──► active ◄──► standby
 *      │            │              │  └─────────┼───────────▲ │
 *      └────────────┴──────────────┴────────────┴─────────────┴──► closing ──► failed
 * ```
 *
 * From everywhere but `failed` a path can also fail at once, when there is nobody left to tell.
 */
export type PathState = "created" | "validating" | "validated" | "active" | "standby" | "closing" | "failed"

/** Every legal transition; what is not listed is refused. No path is used unvalidated, and none comes back to life. */
export const pathTransitions = moves<PathState>({
  created: ["validating", "closing", "failed"],
  validating: ["validated", "closing", "failed"],
  validated: ["active", "standby", "closing", "failed"],
  active: ["standby", "closing", "failed"],
  standby: ["active", "closing", "failed"],
  closing: ["failed"],
  failed: []
})
