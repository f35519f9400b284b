/** Runs a handler for every incoming connection. */
import * as Cause from "effect/Cause"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as Fiber from "effect/Fiber"
import * as Scope from "effect/Scope"
import { QuicError } from "../QuicError.ts"
import type { AcceptQueue } from "./AcceptQueue.ts"
import type { ConnectionActor } from "./ConnectionActor.ts"
import { endConnection } from "./endConnection.ts"
import type { Handlers } from "./Handlers.ts"
import { aboutConnection } from "./logAnnotations.ts"

/**
 * Accepts connections until none can arrive any more. Interruption interrupts the handlers and waits for them;
 * connections without a handler stay queued for `accept`.
 */
export const serveConnections = <E, R>(
  queue: AcceptQueue,
  handle: (connection: ConnectionActor) => Effect.Effect<void, E, R>
): Effect.Effect<never, QuicError, Exclude<R, Scope.Scope>> => {
  const serve = Effect.gen(function* () {
    const context = yield* Effect.context<Exclude<R, Scope.Scope>>()
    const running = new Set<Handlers>()
    yield* Effect.addFinalizer(() =>
      Effect.forEach(running, (handlers) => handlers.end, { concurrency: "unbounded", discard: true })
    )
    const serveOne = Effect.suspend(() => {
      const taken = queue.take()
      if (taken === undefined) return queue.refusal() ?? queue.changed.park
      // in the same step: from then on a fiber is responsible for the connection
      taken.handlers.run(() => supervise(taken, handle(taken), context), running)
      return Effect.void
    })
    return yield* Effect.forever(serveOne, { disableYield: true })
  })
  return Effect.scoped(serve)
}

/**
 * Runs a connection's handler in a fiber, closes the connection according to its exit, then the handler's scope. Only the
 * handler is interruptible: whoever interrupts it, its connection is closed first.
 */
const supervise = <E, R>(
  actor: ConnectionActor,
  handler: Effect.Effect<void, E, R>,
  context: Context.Context<Exclude<R, Scope.Scope>>
): Fiber.Fiber<void> => {
  const scope = Scope.makeUnsafe()
  const supervised = Effect.flatMap(Effect.exit(Effect.interruptible(handler)), (exit) =>
    Effect.andThen(endConnection(actor, exit), closeScope(actor, scope, exit))
  )
  // a fiber that starts in the scope need not remember a context without it
  const inside = Context.add(context, Scope.Scope, scope) as Context.Context<R>
  return Effect.runForkWith(inside)(supervised, { uninterruptible: true })
}

/** A client that has left, as clients do, in the middle of what its handler did. */
const isEndOfVisit = ({ core }: ConnectionActor, cause: Cause.Cause<unknown>): boolean =>
  core.closeReason?.origin === "peer" &&
  core.closeReason.code === 0 &&
  !Cause.hasDies(cause) &&
  Cause.squash(cause) instanceof QuicError

/** Closes a handler's scope, and logs the failure of the handler, or of its finalizers. */
const closeScope = (
  actor: ConnectionActor,
  scope: Scope.Closeable,
  exit: Exit.Exit<void, unknown>
): Effect.Effect<void> =>
  Effect.flatMap(Effect.exit(Scope.close(scope, exit)), (closed) => {
    const failed = Exit.isFailure(exit) ? exit : closed
    return Exit.isFailure(failed) && !Cause.hasInterruptsOnly(failed.cause)
      ? Effect.annotateLogs(
          (isEndOfVisit(actor, failed.cause) ? Effect.logDebug : Effect.logWarning)(
            "connection handler failed",
            failed.cause
          ),
          aboutConnection(actor)
        )
      : Effect.void
  })
