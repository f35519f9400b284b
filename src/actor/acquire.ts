/**
 * Taking what there may be only one of, so that an interrupt finds it taken by the caller or not taken at all.
 *
 * A fiber can be interrupted wherever it may yield, which is before each of its operations. `Effect.sync` hands what it
 * returns straight to the caller, without another operation in between: so whatever takes does it in such a step, as its
 * last. Masking interrupts would not do: one that arrives meanwhile throws the result of the masked region away.
 *
 * The scope that is to own it may be closed by somebody else meanwhile. Nothing is acquired into a closed scope, and whoever
 * waits for something to acquire is interrupted when the scope is closed.
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Scope from "effect/Scope"
import type { WaitList } from "./WaitList.ts"

/** Somewhere things are to be had. */
export interface Source<A, E> {
  /** Whether `take` would find something. */
  readonly has: () => boolean
  readonly take: () => A | undefined
  /** Why nothing will come any more; undefined while something may. */
  readonly refusal: () => Effect.Effect<never, E> | undefined
  /** Woken when it is worth looking again. */
  readonly changed: WaitList
  /** Asks for something while it is waited for: until what is returned is called, at least once. */
  readonly ask?: () => () => void
}

/** Where somebody else was faster, between looking and taking. */
const gone = Symbol("gone")

/** Hands over what `take` finds, in one step; when that is `gone`, goes on with `otherwise`. */
const handOver = <A, E>(take: () => A | typeof gone, otherwise: Effect.Effect<A, E>): Effect.Effect<A, E> =>
  Effect.catchDefect(
    Effect.sync(() => {
      const taken = take()
      if (taken === gone) throw gone
      return taken as A
    }),
    (defect) => (defect === gone ? otherwise : Effect.die(defect))
  )

/** Takes as soon as `has` holds, and goes on with `otherwise` while it does not. */
const taking = <A, E>(
  has: () => boolean,
  take: () => A | undefined,
  otherwise: (look: Effect.Effect<A, E>) => Effect.Effect<A, E>
): Effect.Effect<A, E> => {
  const look: Effect.Effect<A, E> = Effect.suspend(() => (has() ? takeNow : otherwise(look)))
  const takeNow = handOver(() => take() ?? gone, look)
  return look
}

/** Takes something as soon as it is there; interrupted, it has taken nothing. */
export const takeFrom = <A, E>({ has, take, refusal, changed }: Source<A, E>): Effect.Effect<A, E> =>
  taking(has, take, (look) => refusal() ?? changed.parkThen(look))

/**
 * Takes something as soon as it is there, and says what becomes of it with the scope; interrupted, it has taken nothing.
 * What `show` makes of it is handed over in the same step.
 */
export const acquire = <A, B, E>(
  source: Source<A, E>,
  release: (taken: A, exit: Exit.Exit<unknown, unknown>) => Effect.Effect<void>,
  show: (taken: A) => B
): Effect.Effect<B, E, Scope.Scope> =>
  Effect.flatMap(Effect.scope, (scope) =>
    taking(
      () => isOpen(scope) && source.has(),
      () => {
        const taken = isOpen(scope) ? source.take() : undefined
        if (taken === undefined) return undefined
        ownOne(scope, taken, release)
        return show(taken)
      },
      (look) => {
        if (!isOpen(scope)) return Effect.interrupt
        const refusal = source.refusal()
        if (refusal !== undefined) return refusal
        return parkIn(scope, source, look)
      }
    )
  )

/** A function of its own: the finalizer lasts as long as the scope and must not retain the variables of `acquire`. */
const ownOne = <A>(
  scope: Scope.Scope,
  taken: A,
  release: (taken: A, exit: Exit.Exit<unknown, unknown>) => Effect.Effect<void>
): void => own(scope, (exit) => release(taken, exit))

const isOpen = (scope: Scope.Scope): boolean => scope.state._tag !== "Closed"

/** Parks the calling fiber, which goes on with `next`, or is interrupted when the scope is closed. */
const parkIn = <A, E>(
  scope: Scope.Scope,
  { changed, ask }: Pick<Source<unknown, E>, "changed" | "ask">,
  next: Effect.Effect<A, E>
): Effect.Effect<A, E> =>
  Effect.callback((resume) => {
    const place = Scope.forkUnsafe(scope)
    const leave = ask?.()
    const unlisten = changed.listen(() => {
      leave?.()
      // off the scope first: whoever is woken may close it
      Scope.closeUnsafe(place, Exit.void)
      resume(next)
    })
    own(place, () =>
      Effect.sync(() => {
        leave?.()
        resume(Effect.interrupt)
      })
    )
    return Effect.sync(() => {
      unlisten()
      leave?.()
      Scope.closeUnsafe(place, Exit.void)
    })
  })

/** Registers a finalizer at once. The scope is open. */
export const own = (
  scope: Scope.Scope,
  finalizer: (exit: Exit.Exit<unknown, unknown>) => Effect.Effect<void>
): void => Effect.runSync(Scope.addFinalizerExit(scope, finalizer))

/** What several steps acquire, and the fiber that takes them. */
class Acquisition {
  readonly scope = Scope.makeUnsafe()
  fiber: Fiber.Fiber<unknown, unknown> | undefined = undefined

  close(exit: Exit.Exit<unknown, unknown>): Effect.Effect<void> {
    const closed = Scope.close(this.scope, exit)
    // the fiber first: it must not acquire into a closed scope
    return this.fiber === undefined ? closed : Effect.andThen(Fiber.interrupt(this.fiber), closed)
  }
}

/** A function of its own: the finalizer lasts as long as the scope and must not retain the variables of `acquireAll`. */
const ownAll = (scope: Scope.Scope, acquisition: Acquisition): void =>
  own(scope, (exit) => acquisition.close(exit))

/**
 * Acquires by several steps, in a fiber and a scope of their own. Interrupted at any moment, failed, or when somebody
 * closes the caller's scope before they are through, everything acquired so far is given back.
 */
export const acquireAll = <A, E, R>(
  steps: Effect.Effect<A, E, R | Scope.Scope>
): Effect.Effect<A, E, R | Scope.Scope> =>
  Effect.flatMap(Effect.context<R | Scope.Scope>(), (context) =>
    // what `callback` is told on an interrupt is told until the caller has the result
    Effect.callback((resume) => {
      const outer = Context.get(context, Scope.Scope)
      if (!isOpen(outer)) return resume(Effect.interrupt)
      const acquisition = new Acquisition()
      // not at once: a callback that has its result already is not told of an interrupt
      const fiber = Effect.runForkWith(Context.add(context, Scope.Scope, acquisition.scope))(
        Effect.andThen(Effect.yieldNow, steps)
      )
      acquisition.fiber = fiber
      const place = Scope.forkUnsafe(outer)
      ownAll(place, acquisition)
      fiber.addObserver((exit) => {
        acquisition.fiber = undefined
        resume(
          Exit.isSuccess(exit)
            ? handOver(() => (isOpen(place) ? exit.value : gone), Effect.interrupt)
            : Effect.andThen(Scope.close(place, exit), exit)
        )
      })
      return Scope.close(place, Exit.interrupt())
    })
  )
