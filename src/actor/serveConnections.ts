/** Runs a handler for every incoming connection. */
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
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
    const fork = Effect.runForkWith(yield* Effect.context<Exclude<R, Scope.Scope>>())
    const running = new Set<Handlers>()
    yield* Effect.addFinalizer(() =>
      Effect.forEach(running, (handlers) => handlers.end, { concurrency: "unbounded", discard: true })
    )
    const start = (actor: ConnectionActor): void => {
      const { handlers } = actor
      const supervised = supervise(actor, handle(actor))
      running.add(handlers)
      // whoever interrupts the handler: its connection is closed first
      handlers.run(
        () => fork(supervised, { uninterruptible: true }),
        () => running.delete(handlers)
      )
    }
    const serveOne = Effect.suspend(() => {
      const taken = queue.take()
      if (taken === undefined) return queue.refusal() ?? queue.changed.park
      // in the same step: from then on a fiber is responsible for the connection
      start(taken)
      return Effect.void
    })
    return yield* Effect.forever(serveOne, { disableYield: true })
  })
  return Effect.scoped(serve)
}

/**
 * Runs a connection's handler, closes the connection according to its exit, then the handler's scope. Only the handler is
 * interruptible.
 */
const supervise = <E, R>(
  actor: ConnectionActor,
  handler: Effect.Effect<void, E, R>
): Effect.Effect<void, never, Exclude<R, Scope.Scope>> => {
  const scope = Scope.makeUnsafe()
  const run = Effect.exit(Effect.interruptible(Scope.provide(handler, scope)))
  return Effect.flatMap(run, (exit) =>
    Effect.andThen(endConnection(actor, exit), closeScope(actor, scope, exit))
  )
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
