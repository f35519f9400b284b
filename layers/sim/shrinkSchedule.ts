/** A schedule of faults made small: as few as it takes, as early, as short and as simple as they can be. */
import type { FaultSchedule, ScheduledFault } from "./FaultSchedule.ts"
import { fewer, RunBudget, type ShrinkOptions, simplerNumbers, simplest, type StillFails } from "./shrink.ts"

export interface ShrunkSchedule {
  readonly schedule: FaultSchedule
  /** How many runs that took. */
  readonly runs: number
}

/** `stillFails` must say yes to `schedule`, and the same for the same schedule each time. */
export const shrinkSchedule = async (
  schedule: FaultSchedule,
  stillFails: StillFails<FaultSchedule>,
  options: ShrinkOptions = {}
): Promise<ShrunkSchedule> => {
  const budget = new RunBudget(options)
  const few = await fewer(schedule, stillFails, budget)
  return { schedule: await simplest(few, simplerFault, stillFails, budget), runs: budget.runs }
}

/** What could be instead of a fault, simplest first. */
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
