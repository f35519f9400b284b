/** Runs a handler for every stream the peer opens. */
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as Scope from "effect/Scope"
import { QuicError } from "../QuicError.ts"
import type { ConnectionActor } from "./ConnectionActor.ts"
import type { StreamActor } from "./StreamActor.ts"
import { endStream } from "./streamSources.ts"

/**
 * Claims the incoming streams until the connection ends. Succeeds if it ended without failure, once the handlers are
 * done or their time is up. Interruption interrupts the handlers and waits for them; streams without a handler stay
 * queued for `accept`.
 */
export const serveStreams = <E, R>(
  actor: ConnectionActor,
  handle: (stream: StreamActor) => Effect.Effect<void, E, R>
): Effect.Effect<void, QuicError, Exclude<R, Scope.Scope>> => {
  const serve = Effect.gen(function* () {
    const fork = Effect.runForkWith(yield* Effect.context<Exclude<R, Scope.Scope>>())
    const handlers = yield* Effect.acquireRelease(
      Effect.sync(() => actor.handlers.open()),
      (group) => actor.handlers.close(group)
    )
    // in the step that takes a stream: from then on a fiber is responsible for it
    const offer = (id: number): boolean => {
      const stream = actor.streams.use(id)
      const onExit = (exit: Exit.Exit<unknown, E>): void => {
        if (Exit.isFailure(exit) && !Cause.hasInterruptsOnly(exit.cause)) {
          const log = isNews(actor, exit.cause) ? Effect.logWarning : Effect.logDebug
          fork(log(`stream ${id} failed`, exit.cause))
        }
        endStream(actor, id, exit)
      }
      stream.handler = handlers.leaf(() => fork(Effect.scoped(handle(stream))), onExit)
      return true
    }
    yield* Effect.acquireRelease(
      Effect.sync(() => actor.streams.claim({ offer })),
      (release) => Effect.sync(release)
    )
    yield* Effect.catch(untilOver(actor), (error) => (isQuietEnd(error) ? Effect.void : Effect.fail(error)))
    yield* Effect.timeoutOption(handlers.whenEmpty, actor.core.config.transport.closeTimeoutMillis)
  })
  return Effect.scoped(serve)
}

/** Fails with the error that ended the connection. */
const untilOver = (actor: ConnectionActor): Effect.Effect<never, QuicError> =>
  Effect.suspend(() => actor.failure ?? actor.signals.closed.parkThen(untilOver(actor)))

/** Whether to log: not if the connection has ended, nor if the peer reset or stopped the stream. */
const isNews = (actor: ConnectionActor, cause: Cause.Cause<unknown>): boolean =>
  Cause.hasDies(cause) || (actor.failure === undefined && !isEndedByPeer(Cause.squash(cause)))

/** The peer may reset and stop streams at any time. */
const isEndedByPeer = (error: unknown): boolean =>
  error instanceof QuicError && (error.reason._tag === "StreamReset" || error.reason._tag === "StreamStopped")

/** A normal end of a connection, with which serving succeeds. */
const isQuietEnd = ({ reason }: QuicError): boolean =>
  reason._tag === "IdleTimeout" ||
  reason._tag === "EndpointClosed" ||
  (reason._tag === "ApplicationClosed" && (reason.code === 0 || reason.origin === "local")) ||
  (reason._tag === "TransportClosed" && reason.code === 0)
