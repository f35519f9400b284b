/** A test whose body is an Effect that runs in the simulator. */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { it } from "vitest"
import * as SimRuntime from "../../layers/sim/SimRuntime.ts"

export interface ItSimOptions extends SimRuntime.SimOptions {
  /** How many seeds to run it with. Default 1. */
  readonly seeds?: number
}

/** Set this to replay the seed of a failure. */
const replay = process.env.EFFECT_QUIC_SEED

export const itSim = <A, E>(
  name: string,
  program: () => Effect.Effect<A, E, SimRuntime.SimServices | Scope.Scope>,
  { seeds = 1, ...options }: ItSimOptions = {}
): void =>
  it(name, async () => {
    const all = replay !== undefined ? [replay] : Array.from({ length: seeds }, (_, i) => `${name} #${i}`)
    for (const seed of all) {
      try {
        await SimRuntime.runPromise(seed, Effect.scoped(Effect.suspend(program)), options)
      } catch (error) {
        console.error(`Failed with the seed in EFFECT_QUIC_SEED='${seed}'; set that to replay it.`)
        throw error
      }
    }
  })
