/** Shrinks a fault schedule to the fewest, earliest, shortest and simplest faults. */
import type { FaultSchedule, ScheduledFault } from "./FaultSchedule.ts"
import { fewer, RunBudget, type ShrinkOptions, simplerNumbers, simplest, type StillFails } from "./shrink.ts"

/**
 * The result of shrinking.
 *
 * @category models
 * @since 0.1.0
 */
export interface ShrunkSchedule {
  /** The smallest schedule found that still fails. */
  readonly schedule: FaultSchedule
  /** Number of runs it took. */
  readonly runs: number
}

/**
 * Shrinks a fault schedule that makes a program fail.
 *
 * **Details**
 *
 * `stillFails` must be deterministic, and true for `schedule`. Faults are removed as long as the rest still fails, then
 * made earlier, shorter and simpler.
 *
 * @category shrinking
 * @since 0.1.0
 */
export const shrinkSchedule = async (
  schedule: FaultSchedule,
  stillFails: StillFails<FaultSchedule>,
  options: ShrinkOptions = {}
): Promise<ShrunkSchedule> => {
  const budget = new RunBudget(options)
  const few = await fewer(schedule, stillFails, budget)
  return { schedule: await simplest(few, simplerFault, stillFails, budget), runs: budget.runs }
}

/** Simpler replacements for a fault, simplest first. */
export const simplerFault = ({ atMillis, fault }: ScheduledFault): ReadonlyArray<ScheduledFault> => {
  const candidates: Array<ScheduledFault> = simplerNumbers(atMillis).map((earlier) => ({
    atMillis: earlier,
    fault
  }))
  if ("forMillis" in fault && fault.forMillis !== undefined)
    for (const forMillis of simplerNumbers(fault.forMillis, 1))
      candidates.push({ atMillis, fault: { ...fault, forMillis } })
  if (fault.kind === "conditions" && Object.keys(fault.conditions).length > 1)
    for (const name of Object.keys(fault.conditions)) {
      const conditions = Object.fromEntries(
        Object.entries(fault.conditions).filter(([other]) => other !== name)
      )
      candidates.push({ atMillis, fault: { ...fault, conditions } })
    }
  return candidates
}
