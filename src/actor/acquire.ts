/**
 * Acquires items from a queue so that an interrupted caller has either acquired one or not, never lost one.
 *
 * A fiber can be interrupted wherever it may yield, which is before each of its operations. `Effect.sync` returns its
 * result to the caller without another operation in between, so an item is taken in such a step, the last one.
 * Masking interrupts would not do: an interrupt that arrives meanwhile discards the result of the masked region.
 *
 * The owning scope may be closed by another fiber meanwhile. Nothing is acquired into a closed scope, and a fiber that
 * waits for an item is interrupted when the scope is closed.
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Scope from "effect/Scope"
import type { WaitList } from "./WaitList.ts"

/** A queue to take items from. */
export interface Source<A, E> {
  /** Whether `take` would find something. */
  readonly has: () => boolean
  readonly take: () => A | undefined
  /** Why nothing will arrive any more; undefined while something may. */
  readonly refusal: () => Effect.Effect<never, E> | undefined
  /** Woken when it is worth checking again. */
  readonly changed: WaitList
  /** Requests an item while one is waited for: until the returned function is called, at least once. */
  readonly ask?: () => () => void
}

/** Another fiber took the item between `has` and `take`. */
const gone = Symbol("gone")

/** Returns what `take` finds, in one step; when that is `gone`, continues with `otherwise`. */
const handOver = <A, E>(take: () => A | typeof gone, otherwise: Effect.Effect<A, E>): Effect.Effect<A, E> =>
  Effect.catchDefect(
    Effect.sync(() => {
      const taken = take()
      if (taken === gone) throw gone
      return taken as A
    }),
    (defect) => (defect === gone ? otherwise : Effect.die(defect))
  )

/** Takes an item as soon as `has` holds, and continues with `otherwise` until then. */
const taking = <A, E>(
  has: () => boolean,
  take: () => A | typeof gone,
  otherwise: (look: Effect.Effect<A, E>) => Effect.Effect<A, E>
): Effect.Effect<A, E> => {
  const look: Effect.Effect<A, E> = Effect.suspend(() => (has() ? takeNow : otherwise(look)))
  const takeNow = handOver(take, look)
  return look
}

/** Takes an item as soon as there is one; interruption never consumes one. */
export const takeFrom = <A, E>({ has, take, refusal, changed }: Source<A, E>): Effect.Effect<A, E> =>
  taking(
    has,
    () => take() ?? gone,
    (look) => refusal() ?? changed.parkThen(look)
  )

/**
 * Takes an item as soon as there is one and registers its finalizer with the scope; interruption never consumes one.
 * The result of `show` is returned in the same step.
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
        if (taken === undefined) return gone
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

/** A separate function: the finalizer lives as long as the scope and must not retain the variables of `acquire`. */
const ownOne = <A>(
  scope: Scope.Scope,
  taken: A,
  release: (taken: A, exit: Exit.Exit<unknown, unknown>) => Effect.Effect<void>
): void => own(scope, (exit) => release(taken, exit))

const isOpen = (scope: Scope.Scope): boolean => scope.state._tag !== "Closed"

/** Parks the calling fiber, which continues with `next`, or is interrupted when the scope is closed. */
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
      // removed from the scope first: the woken fiber may close it
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
): void => {
  // the first one without a fiber: most streams have a scope of their own
  if (scope.state._tag === "Empty")
    scope.state = { _tag: "Open", finalizerKey: {}, finalizer, finalizers: undefined }
  else Effect.runSync(Scope.addFinalizerExit(scope, finalizer))
}

/** Resources acquired in several steps, and the fiber that acquires them. */
class Acquisition {
  readonly scope = Scope.makeUnsafe()
  fiber: Fiber.Fiber<unknown, unknown> | undefined = undefined

  close(exit: Exit.Exit<unknown, unknown>): Effect.Effect<void> {
    const closed = Scope.close(this.scope, exit)
    // the fiber first: it must not acquire into a closed scope
    return this.fiber === undefined ? closed : Effect.andThen(Fiber.interrupt(this.fiber), closed)
  }
}

/** A separate function: the finalizer lives as long as the scope and must not retain the variables of `acquireAll`. */
const ownAll = (scope: Scope.Scope, acquisition: Acquisition): void =>
  own(scope, (exit) => acquisition.close(exit))

/**
 * Acquires in several steps, in a fiber and scope of its own. On interruption at any moment, on failure, and when the
 * caller's scope is closed before it is done, everything acquired so far is released.
 */
export const acquireAll = <A, E, R>(
  steps: Effect.Effect<A, E, R | Scope.Scope>
): Effect.Effect<A, E, R | Scope.Scope> =>
  Effect.flatMap(Effect.context<R | Scope.Scope>(), (context) =>
    // the finalizer of `callback` runs on any interrupt until the caller has the result
    Effect.callback((resume) => {
      const outer = Context.get(context, Scope.Scope)
      if (!isOpen(outer)) return resume(Effect.interrupt)
      const acquisition = new Acquisition()
      // not at once: a callback that already has its result does not see an interrupt
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
