/**
 * Runs a program in virtual time, from outside Effect. Tests written as Effects use `SimLayer.layer` instead.
 *
 * The same seed gives the same run, byte for byte, regardless of the load of the machine.
 */
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as RealWork from "./RealWork.ts"
import { defaults, type SimOptions, type SimServices, Simulation } from "./Simulation.ts"

export { type SimOptions, type SimServices, SimStalled } from "./Simulation.ts"

/**
 * The result of a run.
 *
 * @category models
 * @since 0.1.0
 */
export interface SimReport<A, E> {
  /** How the program ended. */
  readonly exit: Exit.Exit<A, E>
  /** The seed that repeats the run. */
  readonly seed: string | number
  /** Duration of the program in virtual time. */
  readonly virtualMillis: number
  /** Number of fiber tasks and timeline events run. */
  readonly steps: number
  /** Digest of the packet trace; equal for equal runs. */
  readonly digest: string
  /** Pending when the program ended: ready fiber tasks, sleeps and packets in flight. */
  readonly leftovers: {
    /** Fiber tasks that were ready. */
    readonly tasks: number
    /** Sleeps, and packets in flight. */
    readonly events: number
  }
}

/**
 * Runs a program to its end in virtual time and returns a report. Never rejects.
 *
 * **Example** (A sleep that takes no time)
 *
 * ```ts
 * import { Effect } from "effect"
 * import { SimRuntime } from "effect-quic/layers/sim"
 *
 * const { virtualMillis } = await SimRuntime.run("seed", Effect.sleep("1 hour")) // 3 600 000
 * ```
 *
 * @category running
 * @since 0.1.0
 */
export const run = async <A, E>(
  seed: string | number,
  effect: Effect.Effect<A, E, SimServices>,
  options: SimOptions = {}
): Promise<SimReport<A, E>> => {
  const simulation = new Simulation(seed, { ...defaults, ...options })
  const { network, queue, timeline } = simulation
  RealWork.watch()
  try {
    const fiber = Effect.runForkWith(simulation.context)(effect)
    const isDone = (): boolean => fiber.pollUnsafe() !== undefined
    const stalled = await simulation.drive(isDone, simulation.options.maxVirtualMillis * 1e6)
    if (stalled !== undefined) {
      fiber.interruptUnsafe()
      await simulation.cleanUp(isDone)
    }
    return {
      exit: stalled === undefined ? fiber.pollUnsafe()! : Exit.die(stalled),
      seed,
      virtualMillis: timeline.nowNanos / 1e6,
      steps: queue.tasksRun + timeline.eventsRun,
      digest: network.trace.digest(),
      leftovers: { tasks: queue.size, events: timeline.pending }
    }
  } finally {
    RealWork.unwatch()
  }
}

/**
 * Runs a program to its end in virtual time; rejects with its failure.
 *
 * @category running
 * @since 0.1.0
 */
export const runPromise = async <A, E>(
  seed: string | number,
  effect: Effect.Effect<A, E, SimServices>,
  options?: SimOptions
): Promise<A> => {
  const { exit } = await run(seed, effect, options)
  if (Exit.isSuccess(exit)) return exit.value
  throw Cause.squash(exit.cause)
}
