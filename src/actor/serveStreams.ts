/** Runs a handler for every stream the peer opens. */
import type * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type { QuicError } from "../QuicError.ts"
import { isUnidirectional } from "../stream/StreamId.ts"
import type { Branch } from "./Branch.ts"
import type { ConnectionActor } from "./ConnectionActor.ts"
import { connectionAttributes, isTraced, withSpan } from "./spans.ts"
import type { StreamActor } from "./StreamActor.ts"
import { ambiguousPreamble } from "./PreambleClaims.ts"
import type { StreamClaim } from "./StreamClaim.ts"
import { type Handling, StreamHandling } from "./StreamHandler.ts"
import { hasEndedWell } from "./closeReasons.ts"
import { untilQuiet } from "./untilQuiet.ts"

/** Which streams are served. Default all. */
export interface ServedStreams {
  /** Those that begin with it. */
  readonly preamble?: Uint8Array
  /** Those of one kind. */
  readonly unidirectional?: boolean | undefined
}

/**
 * Claims the incoming streams until the connection ends. Succeeds if it ended without failure, once the handlers are
 * done or their time is up; and while the endpoint drains, once no stream is open and no handler runs. Interruption interrupts the handlers and waits for them; streams without a handler stay
 * queued for `accept`. It is only about the streams that `which` selects.
 */
export const serveStreams = <E, R>(
  actor: ConnectionActor,
  handle: (stream: StreamActor) => Effect.Effect<void, E, R>,
  which: ServedStreams = {}
): Effect.Effect<void, QuicError, Exclude<R, Scope.Scope>> =>
  Effect.contextWith((context: Context.Context<Exclude<R, Scope.Scope>>) => {
    const handled = isTraced(context)
      ? (stream: StreamActor) => inSpan(actor, stream.id, Effect.scoped(handle(stream)))
      : handle
    const server = new StreamServer(actor, new StreamHandling(actor, context, handled), which)
    return Effect.onExit(server.serve, () => server.close)
  })

/** A stream is a call of the peer's. */
const inSpan = <E, R>(
  { core, branch }: ConnectionActor,
  id: number,
  handled: Effect.Effect<void, E, R>
): Effect.Effect<void, E, R> =>
  withSpan(handled, "quic.stream", {
    kind: "server",
    attributes: {
      ...connectionAttributes(core, branch.fiberId),
      "quic.stream": id
    }
  })

/** The claim of one `serveStreams`, and its handlers. A class, not closures: there is one for each connection served. */
class StreamServer implements StreamClaim {
  private readonly actor: ConnectionActor
  private readonly handling: Handling
  private readonly which: ServedStreams
  private handlers: Branch | undefined = undefined
  private release: (() => void) | undefined = undefined

  constructor(actor: ConnectionActor, handling: Handling, which: ServedStreams) {
    this.actor = actor
    this.handling = handling
    this.which = which
  }

  get serve(): Effect.Effect<void, QuicError> {
    return Effect.suspend(() => {
      const { actor } = this
      this.handlers = actor.handlers.open()
      this.release = this.claim()
      return this.release === undefined ? ambiguousPreamble : this.untilOver
    })
  }

  private claim(): (() => void) | undefined {
    const { actor } = this
    const { preamble, unidirectional } = this.which
    if (preamble === undefined) return actor.streams.claim(this, unidirectional)
    return actor.streams.claimPreamble(preamble, this, {
      touch: () => actor.touch(),
      wake: () => actor.signals.changed.wakeAll(),
      fork: (effect) => void actor.branch.fork(effect, (cause) => actor.onDefect(cause))
    })
  }

  /** Waits until nothing is left to serve; fails with the error that ended the connection, if it was one. */
  private get untilOver(): Effect.Effect<void, QuicError> {
    return Effect.suspend(() => {
      const { actor, handlers } = this
      if (actor.failure !== undefined) return this.afterEnd
      if (!actor.core.streams.isFrozen) return actor.signals.closed.parkThen(this.untilOver)
      return Effect.flatMap(untilQuiet(actor), () => {
        if (actor.failure !== undefined) return this.afterEnd
        return handlers!.fiberCount === 0 && actor.core.streams.isQuiet
          ? Effect.void
          : Effect.flatMap(
              Effect.raceFirst(handlers!.whenEmpty, actor.signals.closed.park),
              () => this.untilOver
            )
      })
    })
  }

  /** After a normal end, waits for the handlers, for `closeTimeoutMillis` at most. */
  private get afterEnd(): Effect.Effect<void, QuicError> {
    const { core, failure } = this.actor
    const handlers = this.handlers!
    if (!hasEndedWell(core)) return failure!
    if (handlers.fiberCount === 0) return Effect.void
    return Effect.asVoid(Effect.timeoutOption(handlers.whenEmpty, core.config.transport.closeTimeoutMillis))
  }

  /** Starts the handler in the step that takes the stream: from then on a fiber is responsible for it. */
  offer(id: number): boolean {
    const { unidirectional } = this.which
    if (unidirectional !== undefined && unidirectional !== isUnidirectional(id)) return false
    this.handling.start(this.actor.streams.use(id), this.handlers!)
    return true
  }

  get close(): Effect.Effect<void> {
    return Effect.suspend(() => {
      this.release?.()
      return this.handlers === undefined ? Effect.void : this.actor.handlers.close(this.handlers)
    })
  }
}
