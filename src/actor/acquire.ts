import * as Effect from "effect/Effect"
import type * as Exit from "effect/Exit"
import type * as Scope from "effect/Scope"

/** Lets an interrupt through while what it is given waits, and nowhere else. */
export type Waiting = (park: Effect.Effect<void>) => Effect.Effect<void>

/**
 * Takes something as soon as it is there, and says what becomes of it with the scope. An interrupt finds it waiting or
 * finds it done: nothing is taken and then lost. `acquireRelease` cannot do that, as a fiber may have to yield, and be
 * interrupted, between the step that takes and the one that registers.
 */
export const acquire = <A, E>(
  take: (waiting: Waiting) => Effect.Effect<A, E>,
  release: (taken: A, exit: Exit.Exit<unknown, unknown>) => Effect.Effect<void>
): Effect.Effect<A, E, Scope.Scope> =>
  Effect.uninterruptibleMask((restore) =>
    Effect.tap(take(restore), (taken) => Effect.addFinalizer((exit) => release(taken, exit)))
  )
