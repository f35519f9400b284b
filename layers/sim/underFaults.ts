/**
 * Runs a program under a fault schedule. If it fails, the schedule is shrunk until every remaining fault is necessary, and
 * printed with the command that replays it.
 */
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as Scope from "effect/Scope"
import type { FaultSchedule } from "./FaultSchedule.ts"
import { faultsVariable, replayed, replayedFaults, replayVariables, shellQuoted } from "./replay.ts"
import { shrinkSchedule } from "./shrinkSchedule.ts"
import type { LayerOptions } from "./SimLayer.ts"
import * as SimRuntime from "./SimRuntime.ts"
import type { SimServices } from "./Simulation.ts"

/**
 * Options of the simulation, and of shrinking.
 *
 * @category options
 * @since 0.1.0
 */
export interface UnderFaultsOptions extends LayerOptions {
  /** Maximum runs for shrinking a schedule. Default 300; 0 disables shrinking. */
  readonly maxShrinkRuns?: number
}

/** Describes a failure without numbers, which vary between failures of the same kind. */
const kindOf = (cause: Cause.Cause<unknown>): string => {
  const error = Cause.squash(cause)
  const text = error instanceof Error ? `${error.name} ${error.message}` : String(error)
  return text.split("\n")[0].replaceAll(/\d+(\.\d+)?/g, "#")
}

/**
 * Runs `program`, which applies the given schedule to its network, in its own simulation. Ends as the program does; on
 * failure, first prints the smallest schedule found that makes it fail in the same way.
 *
 * @category testing
 * @since 0.1.0
 */
export const underFaults = <A, E>(
  schedule: FaultSchedule,
  program: (schedule: FaultSchedule) => Effect.Effect<A, E, SimServices | Scope.Scope>,
  { seed: givenSeed = 0, describeReplay, maxShrinkRuns = 300, ...given }: UnderFaultsOptions = {}
): Effect.Effect<A, E> => {
  const { seed, options } = replayed(givenSeed, given)
  const run = async (faults: FaultSchedule): Promise<Exit.Exit<A, E>> => {
    const report = await SimRuntime.run(seed, Effect.scoped(Effect.suspend(() => program(faults))), options)
    return report.exit
  }
  return Effect.promise(async () => {
    const faults = replayedFaults() ?? schedule
    const exit = await run(faults)
    if (Exit.isSuccess(exit)) return exit
    const kind = kindOf(exit.cause)
    const small = await shrinkSchedule(
      faults,
      async (fewer) => {
        const outcome = await run(fewer)
        return Exit.isFailure(outcome) && kindOf(outcome.cause) === kind
      },
      { maxRuns: maxShrinkRuns }
    )
    const json = JSON.stringify(small.schedule)
    const variables = `${replayVariables(seed, options)} ${faultsVariable}=${shellQuoted(json)}`
    console.error(
      `It fails in the same way with ${small.schedule.length} of ${faults.length} faults (${small.runs} runs): ${json}`
    )
    console.error(
      describeReplay?.(variables) ?? `To replay it, run the same command with ${variables} before it.`
    )
    return exit
  }).pipe(Effect.flatten)
}
