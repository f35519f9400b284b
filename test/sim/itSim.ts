/** A test whose body is an Effect run in the simulator, with one or more seeds derived from its name. */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { it } from "vitest"
import { replayed, replayVariables } from "../../layers/sim/replay.ts"
import * as SimRuntime from "../../layers/sim/SimRuntime.ts"
import { commandOf } from "../../layers/sim/vitest/index.ts"

export interface ItSimOptions extends SimRuntime.SimOptions {
  /** Number of seeds. Default 1. */
  readonly seeds?: number
}

/** Real time for each seed, of which most need a second; the first is as much as any test may take. */
const SEED_MILLIS = 10_000

const vitest = "npx vitest run --config test/vitest.config.ts"

export const itSim = <A, E>(
  name: string,
  program: () => Effect.Effect<A, E, SimRuntime.SimServices | Scope.Scope>,
  { seeds = 1, ...given }: ItSimOptions = {}
): void => {
  const test = async () => {
    const { seed: only, options, isReplay } = replayed(`${name} #0`, given)
    const all = isReplay ? [only] : Array.from({ length: seeds }, (_, i) => `${name} #${i}`)
    for (const seed of all) {
      try {
        await SimRuntime.runPromise(seed, Effect.scoped(Effect.suspend(program)), options)
      } catch (error) {
        console.error(`To replay the failure: ${commandOf(replayVariables(seed, options), vitest)}`)
        throw error
      }
    }
  }
  it(name, test, SEED_MILLIS * seeds + 110_000)
}
