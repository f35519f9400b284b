/** Claims that last as long as a scope. */
import type * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import type * as Scope from "effect/Scope"
import { acquire } from "./actor/acquire.ts"
import { WaitList } from "./actor/WaitList.ts"
import type { Refusal } from "./arguments.ts"
import type { QuicError } from "./QuicError.ts"

/** What serves a claim: it claims in its first step, or fails in it. */
export type Serve<R> = Effect.Effect<void, QuicError, R>

/** How to release a claim, or why there is none. */
export type Begun =
  | { readonly release: Effect.Effect<void> }
  | { readonly refusal: Effect.Effect<never, QuicError> }

/** Makes a claim in one step, the last one: a caller that is interrupted has made it or not. */
export const acquireClaim = <A>(begin: () => Begun, result: A): Effect.Effect<A, QuicError, Scope.Scope> =>
  Effect.suspend(() => {
    let refusal: Refusal
    return acquire(
      {
        has: () => refusal === undefined,
        take: () => {
          const begun = begin()
          if ("release" in begun) return begun
          refusal = begun.refusal
          return undefined
        },
        refusal: () => refusal,
        changed: new WaitList()
      },
      ({ release }) => release,
      () => result
    )
  })

/** The fibers that serve a claim. */
export class Serving<R> {
  private readonly fork: (serve: Serve<R>) => Fiber.Fiber<void, QuicError>
  private readonly fibers = new Set<Fiber.Fiber<void, QuicError>>()

  constructor(context: Context.Context<R>) {
    this.fork = Effect.runForkWith(context)
  }

  /** Begins in the calling step; returns what has prevented it. */
  begin(serve: Serve<R>): Refusal {
    const fiber = this.fork(serve)
    const exit = fiber.pollUnsafe()
    if (exit !== undefined) return exit._tag === "Failure" ? Effect.failCause(exit.cause) : undefined
    this.fibers.add(fiber)
    fiber.addObserver(() => this.fibers.delete(fiber))
    return undefined
  }

  /** Interrupts them, and waits for them. */
  get end(): Effect.Effect<void> {
    return Effect.suspend(() => Fiber.interruptAll([...this.fibers]))
  }
}

/** Serves until the scope ends. */
export const claimWhile = <R>(serve: Serve<R>): Effect.Effect<void, QuicError, R | Scope.Scope> =>
  Effect.flatMap(Effect.context<R>(), (context) => {
    const serving = new Serving(context)
    return acquireClaim((): Begun => {
      const refusal = serving.begin(serve)
      return refusal === undefined ? { release: serving.end } : { refusal }
    }, undefined)
  })
