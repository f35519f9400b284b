import type { TraversalCounts } from "./PhaseLog.ts"
import type { PhaseChange } from "./phases.ts"
import { noProbes } from "./ProbeBudget.ts"

/** What the connections of an endpoint have done to find direct paths, those that are gone included. */
export class TraversalTotals {
  attempts = 0
  successes = 0
  direct = 0
  relayed = 0
  coordinations = 0
  coordinationMicros = 0
  /** Of the budget that all connections share. */
  probes = noProbes()

  /** A connection's counts were `before`, and are `after` because its phase has changed. */
  add({ to }: PhaseChange, before: TraversalCounts, after: TraversalCounts): void {
    this.attempts += after.attempts - before.attempts
    this.successes += after.successes - before.successes
    this.direct += after.direct - before.direct
    this.relayed += after.relayed - before.relayed
    if (to !== "Punching" || after.coordinationMicros === undefined) return
    this.coordinations++
    this.coordinationMicros += after.coordinationMicros
  }
}
