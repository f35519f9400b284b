/**
 * Taking what there may be only one of, so that an interrupt finds it taken by the caller or not taken at all.
 *
 * A fiber can be interrupted wherever it may yield, which is before each of its operations. `Effect.sync` hands what it
 * returns straight to the caller, without another operation in between: so whatever takes does it in such a step, as its
 * last. Masking interrupts would not do: one that arrives meanwhile throws the result of the masked region away.
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Scope from "effect/Scope"

/** Somewhere things are to be had. */
export interface Source<A, E> {
  /** Whether `take` would find something. */
  readonly has: () => boolean
  readonly take: () => A | undefined
  /** Waits until it is worth looking again; fails when nothing will come any more. */
  readonly wait: Effect.Effect<unknown, E>
}

/** Thrown where somebody else was faster, between looking and taking. */
const gone = Symbol("gone")

/** Waits until there is something to take. */
export const whenThere = <A, E>(source: Source<A, E>): Effect.Effect<void, E> =>
  Effect.suspend(() => (source.has() ? Effect.void : Effect.flatMap(source.wait, () => whenThere(source))))

/** Takes something as soon as it is there; interrupted, it has taken nothing. */
export const takeFrom = <A, E>(source: Source<A, E>): Effect.Effect<A, E> => {
  const look: Effect.Effect<A, E> = Effect.suspend(() =>
    source.has() ? take : Effect.flatMap(source.wait, () => look)
  )
  const take = Effect.catchDefect(
    Effect.sync(() => {
      const taken = source.take()
      if (taken === undefined) throw gone
      return taken
    }),
    (defect) => (defect === gone ? look : Effect.die(defect))
  )
  return look
}

/** Takes something as soon as it is there, and says what becomes of it with the scope; interrupted, it has taken nothing. */
export const acquire = <A, E>(
  source: Source<A, E>,
  release: (taken: A, exit: Exit.Exit<unknown, unknown>) => Effect.Effect<void>
): Effect.Effect<A, E, Scope.Scope> =>
  Effect.flatMap(Effect.scope, (scope) =>
    takeFrom({
      ...source,
      has: () => scope.state._tag !== "Closed" && source.has(),
      wait: Effect.suspend(() => (scope.state._tag === "Closed" ? Effect.interrupt : source.wait)),
      take: () => {
        const taken = source.take()
        if (taken !== undefined) own(scope, (exit) => release(taken, exit))
        return taken
      }
    })
  )

/** Registers a finalizer at once. The scope is open. */
export const own = (
  scope: Scope.Scope,
  finalizer: (exit: Exit.Exit<unknown, unknown>) => Effect.Effect<void>
): void => Effect.runSync(Scope.addFinalizerExit(scope, finalizer))

/**
 * Acquires several things, one after the other, in a scope of their own below the caller's. Interrupted at any moment, or
 * failed, it has given all of them back.
 */
export const acquireAll = <A, E, R>(
  steps: Effect.Effect<A, E, R | Scope.Scope>
): Effect.Effect<A, E, R | Scope.Scope> =>
  Effect.flatMap(Effect.context<R | Scope.Scope>(), (context) =>
    // what `callback` is told on an interrupt is told until the caller has the result
    Effect.callback((resume) => {
      const outer = Context.get(context, Scope.Scope)
      if (outer.state._tag === "Closed") return resume(Effect.interrupt)
      const scope = Scope.forkUnsafe(outer)
      // not at once: a callback that has its result already is not told of an interrupt
      const fiber = Effect.runForkWith(Context.add(context, Scope.Scope, scope))(
        Effect.andThen(Effect.yieldNow, steps)
      )
      fiber.addObserver((exit) =>
        resume(Exit.isSuccess(exit) ? exit : Effect.andThen(Scope.close(scope, exit), exit))
      )
      return Effect.andThen(Fiber.interrupt(fiber), Scope.close(scope, Exit.interrupt()))
    })
  )
