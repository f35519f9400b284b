/** Claims that last as long as a scope. */
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as Fiber from "effect/Fiber"
import * as FiberSet from "effect/FiberSet"
import type * as Scope from "effect/Scope"
import type { Refusal } from "./arguments.ts"
import type { QuicError } from "./QuicError.ts"

/** What serves a claim: it claims in its first step, or fails in it. */
export type Serve<R> = Effect.Effect<void, QuicError, R>

/** Runs what serves claims until the scope ends, which interrupts it and waits for it. */
export const runner = <R>() => FiberSet.makeRuntime<R, void, QuicError>()

/** What has prevented the claim in its first step. */
export const refusalOf = (fiber: Fiber.Fiber<void, QuicError>): Refusal => {
  const exit = fiber.pollUnsafe()
  return exit !== undefined && Exit.isFailure(exit) ? Effect.failCause(exit.cause) : undefined
}

/** Fails with what prevents the claim, at once. */
export const claimWhile = <R>(serve: Serve<R>): Effect.Effect<void, QuicError, R | Scope.Scope> =>
  Effect.flatMap(runner<R>(), (run) => refusalOf(run(serve)) ?? Effect.void)
