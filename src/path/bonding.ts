import { moves } from "../internal/TransitionTable.ts"

/**
 * What the paths of a connection are together, as its `bonding` and `bondingChanges` say.
 *
 * ```
 *   singlePath ◄──► pending ──► bonded ◄──► degraded
 *        ▲             ▲ └────────┼────────────▲ │
 *        └─────────────┴──────────┴──────────────┘
 * ```
 *
 * - `singlePath`: there is no other
 * - `pending`: another was opened, and is not validated yet
 * - `bonded`: two or more are validated and answer; if one dies, another is there
 * - `degraded`: one of them has fallen silent; what it had to carry is sent on the others
 *
 * @category models
 * @since 0.1.0
 */
export type BondingState = "singlePath" | "pending" | "bonded" | "degraded"

/** Every legal transition; anything else is refused. No path takes part before it is validated. */
export const bondingTransitions = moves<BondingState>({
  singlePath: ["pending"],
  pending: ["singlePath", "bonded", "degraded"],
  bonded: ["singlePath", "pending", "degraded"],
  degraded: ["singlePath", "pending", "bonded"]
})
