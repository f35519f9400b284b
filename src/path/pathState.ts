/**
 * The life of a path.
 *
 * ```
 *   created ──► validating ──► validated ──► active ◄──► standby
 *      │            │              │  └─────────┼───────────▲ │
 *      └────────────┴──────────────┴────────────┴─────────────┴──► closing ──► failed
 * ```
 *
 * From everywhere but `failed` a path can also fail at once, when there is nobody left to say goodbye to.
 */
export type PathState = "created" | "validating" | "validated" | "active" | "standby" | "closing" | "failed"

/** Every legal transition; what is not listed is refused. No path is used unvalidated, and none comes back to life. */
export const pathTransitions: { readonly [S in PathState]: ReadonlyArray<PathState> } = {
  created: ["validating", "closing", "failed"],
  validating: ["validated", "closing", "failed"],
  validated: ["active", "standby", "closing", "failed"],
  active: ["standby", "closing", "failed"],
  standby: ["active", "closing", "failed"],
  closing: ["failed"],
  failed: []
}

/** The table, one state a line, for people. */
export const printPathTransitions = (): string =>
  Object.entries(pathTransitions)
    .map(([from, to]) => `${from.padEnd(10)} → ${to.length === 0 ? "∅" : to.join(", ")}`)
    .join("\n")

/** The state of one path, movable only along the table. */
export class PathLifecycle {
  #state: PathState = "created"

  get state(): PathState {
    return this.#state
  }

  /** It can carry data, now or when the scheduler needs it. */
  get isUsable(): boolean {
    return this.#state === "active" || this.#state === "standby"
  }

  /** Neither closing nor failed. */
  get isAlive(): boolean {
    return this.#state !== "closing" && this.#state !== "failed"
  }

  /** Moves along the table; false, and no change, for an illegal transition. */
  to(next: PathState): boolean {
    if (!pathTransitions[this.#state].includes(next)) return false
    this.#state = next
    return true
  }
}
