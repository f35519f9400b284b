/**
 * The fiber that serves one stream, and what it holds while it waits: a server can have hundreds of thousands of them.
 *
 * So one object is what the fiber runs, the scope in its context, and the end of both, which is the last step of the fiber
 * itself: an observer of the fiber, a scope of Effect's and a closure for each would take as much as the stream.
 */
import * as Cause from "effect/Cause"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Effectable from "effect/Effectable"
import * as Exit from "effect/Exit"
import * as Scope from "effect/Scope"
import { QuicError } from "../QuicError.ts"
import type { Branch } from "./Branch.ts"
import type { ConnectionActor } from "./ConnectionActor.ts"
import { aboutConnection } from "./logAnnotations.ts"
import type { StreamActor } from "./StreamActor.ts"
import { endStream } from "./streamSources.ts"

/** Starts a handler for a stream, below a branch; it ends the stream with itself. */
export interface Handling {
  start(stream: StreamActor, branch: Branch): void
}

/** What the handlers of one `serveStreams` have in common. */
export class StreamHandling<E, R> implements Handling {
  readonly actor: ConnectionActor
  readonly handle: (stream: StreamActor) => Effect.Effect<void, E, R>
  private readonly context: Context.Context<Exclude<R, Scope.Scope>>

  constructor(
    actor: ConnectionActor,
    context: Context.Context<Exclude<R, Scope.Scope>>,
    handle: (stream: StreamActor) => Effect.Effect<void, E, R>
  ) {
    this.actor = actor
    this.context = context
    this.handle = handle
  }

  start(stream: StreamActor, branch: Branch): void {
    if (branch.isClosing) return endStream(this.actor, stream.id, Exit.interrupt())
    const handler = new StreamHandler(this, stream, branch)
    const context = Context.add(this.context, Scope.Scope, handler) as Context.Context<R>
    // interruptible only once `endOfHandler` is sure to run: a new fiber may have to yield before its first operation
    stream.handler = Effect.runForkWith(context)(Effect.onExit(handler, endOfHandler), uninterruptible)
    branch.hold(stream.handler)
  }

  log(about: number, cause: Cause.Cause<unknown>): void {
    const { actor } = this
    const log = isNews(actor, cause) ? Effect.logWarning : Effect.logDebug
    const annotations = { ...aboutConnection(actor), stream: about }
    Effect.runForkWith(this.context)(Effect.annotateLogs(log(`stream ${about} failed`, cause), annotations))
  }
}

/** One function for all of them: the handler is the scope in the fiber's context. */
const endOfHandler = (exit: Exit.Exit<void, unknown>): Effect.Effect<void> =>
  Effect.contextWith((context: Context.Context<never>) => {
    const handler = Context.getUnsafe(context, Scope.Scope) as Scope.Scope & StreamHandler<unknown, unknown>
    return handler.close(exit)
  })

class StreamHandler<E, R> extends Effectable.Class<void, E, R> implements Scope.Closeable {
  state: Scope.Scope["state"] = untouched
  private readonly handling: StreamHandling<E, R>
  private readonly stream: StreamActor
  private readonly branch: Branch

  constructor(handling: StreamHandling<E, R>, stream: StreamActor, branch: Branch) {
    super()
    this.handling = handling
    this.stream = stream
    this.branch = branch
  }

  get "~effect/Scope"() {
    return "~effect/Scope" as const
  }

  get "~effect/Scope/Closeable"() {
    return "~effect/Scope/Closeable" as const
  }

  get strategy() {
    return "sequential" as const
  }

  get parent(): undefined {
    return undefined
  }

  asEffect(): Effect.Effect<void, E, R> {
    return Effect.interruptible(this.handling.handle(this.stream))
  }

  /** The finalizers first: they may still use the stream. */
  close(exit: Exit.Exit<void, E>): Effect.Effect<void> {
    const closing = Scope.closeUnsafe(this, exit)
    if (closing !== undefined)
      return Effect.onExit(closing, (closed) =>
        Effect.sync(() => this.end(Exit.isSuccess(exit) && Exit.isFailure(closed) ? closed : exit))
      )
    this.end(exit)
    return Effect.void
  }

  private end(exit: Exit.Exit<unknown, unknown>): void {
    const { handling, stream, branch } = this
    if (Exit.isFailure(exit) && !Cause.hasInterruptsOnly(exit.cause)) handling.log(stream.id, exit.cause)
    endStream(handling.actor, stream.id, exit)
    // undefined if it has not waited for anything
    if (stream.handler !== undefined) branch.shed(stream.handler)
  }
}

const uninterruptible = { uninterruptible: true } as const

const untouched = { _tag: "Empty" } as const

/** Whether to log: not if the connection has ended, nor if the peer reset or stopped the stream. */
const isNews = (actor: ConnectionActor, cause: Cause.Cause<unknown>): boolean =>
  Cause.hasDies(cause) || (actor.failure === undefined && !isEndedByPeer(Cause.squash(cause)))

/** The peer may reset and stop streams at any time. */
const isEndedByPeer = (error: unknown): boolean =>
  error instanceof QuicError && (error.reason._tag === "StreamReset" || error.reason._tag === "StreamStopped")
