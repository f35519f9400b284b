/** The part of `QuicConnection` that takes the streams the peer opens. */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { serveStreams } from "./actor/serveStreams.ts"
import { acceptStream } from "./actor/streamSources.ts"
import type { StreamActor } from "./actor/StreamActor.ts"
import { called, isRecord, refuseFunction } from "./arguments.ts"
import { ConnectionCarrier } from "./ConnectionCarrier.ts"
import { invalidOption, quicError, type QuicError, StreamStopped } from "./QuicError.ts"
import { QuicStream } from "./QuicStream.ts"

/**
 * How the streams of a peer are served.
 *
 * @category options
 * @since 0.1.0
 */
export interface ServeOptions {
  /**
   * What becomes of a handler when the peer stops reading what it writes (STOP_SENDING): `"interrupt"` ends it, and with it
   * the work for somebody who has timed out or left. Default `"continue"`, since a peer that only uploads does not read
   * either; such a handler finds `stream.stopped`, and its next `write` fails. RFC 9000 §3.5
   */
  readonly whenStopped?: "interrupt" | "continue"
}

const badOptions = invalidOption("whenStopped", '"interrupt" or "continue"')

type Handler<E, R> = (stream: QuicStream) => Effect.Effect<void, E, R>

/** Fails once the peer no longer reads; never ends otherwise. */
const untilStopped = (stream: QuicStream): Effect.Effect<never, QuicError> =>
  Effect.flatMap(stream.stopped, (code) =>
    code === undefined
      ? Effect.never
      : Effect.fail(quicError(new StreamStopped({ streamId: stream.id, code })))
  )

const whileWanted =
  <E, R>(handler: Handler<E, R>): Handler<E | QuicError, R> =>
  (stream) =>
    Effect.raceFirst(
      called(() => handler(stream)),
      untilStopped(stream)
    )

/** Streams that the peer opens: accepted one by one, or served by handlers. */
export abstract class ServingConnection extends ConnectionCarrier {
  /**
   * The next bidirectional stream the peer has opened. It ends with its scope as one from `openBidi` does.
   *
   * **Interruption**: while waiting; accepts no stream.
   */
  get acceptBidi(): Effect.Effect<QuicStream, QuicError, Scope.Scope> {
    return acceptStream(this.actor, false, (stream) => this.show(stream))
  }

  /** The next unidirectional stream the peer has opened; otherwise as `acceptBidi`. */
  get acceptUni(): Effect.Effect<QuicStream, QuicError, Scope.Scope> {
    return acceptStream(this.actor, true, (stream) => this.show(stream))
  }

  /**
   * Runs `handler` for every stream the peer opens, each in its own fiber and scope, until the connection ends.
   *
   * Succeeds if the connection is closed with code 0 or by the idle timeout, once the handlers have finished, for which
   * they have `closeTimeout`, and while the endpoint drains, once nothing is left to serve; fails with the reason
   * otherwise. A handler that fails or dies resets its own stream
   * and is logged; the others are not affected.
   *
   * If a tracing backend is installed, each handler has a span `quic.stream`, a child of the span it is served in.
   *
   * **Interruption**: interrupts the handlers, whose streams are reset and stopped with code 0, and waits for them.
   * Streams without a handler can still be accepted.
   */
  serveStreams<E, R>(
    handler: (stream: QuicStream) => Effect.Effect<void, E, R>,
    options?: ServeOptions
  ): Effect.Effect<void, QuicError, Exclude<R, Scope.Scope>> {
    return this.served(undefined, handler, options)
  }

  /** As `serveStreams`, of the bidirectional streams alone; others wait for `acceptUni` or `serveUni`. */
  serveBidi<E, R>(
    handler: (stream: QuicStream) => Effect.Effect<void, E, R>,
    options?: ServeOptions
  ): Effect.Effect<void, QuicError, Exclude<R, Scope.Scope>> {
    return this.served(false, handler, options)
  }

  /** As `serveStreams`, of the unidirectional streams alone; others wait for `acceptBidi` or `serveBidi`. */
  serveUni<E, R>(
    handler: (stream: QuicStream) => Effect.Effect<void, E, R>
  ): Effect.Effect<void, QuicError, Exclude<R, Scope.Scope>> {
    return this.served(true, handler, undefined)
  }

  /** The stream as the application sees it. @internal */
  protected show(stream: StreamActor): QuicStream {
    return new QuicStream(this.actor, stream)
  }

  private served<E, R>(
    unidirectional: boolean | undefined,
    handler: Handler<E, R>,
    options: ServeOptions | undefined
  ): Effect.Effect<void, QuicError, Exclude<R, Scope.Scope>> {
    const given: unknown = options
    if (given !== undefined && !isRecord(given)) return badOptions
    const { whenStopped = "continue" } = options ?? {}
    if (whenStopped !== "interrupt" && whenStopped !== "continue") return badOptions
    const handle: Handler<E | QuicError, R> = whenStopped === "interrupt" ? whileWanted(handler) : handler
    return (
      refuseFunction(handler, "handler") ??
      serveStreams(this.actor, (stream) => called(() => handle(this.show(stream))), { unidirectional })
    )
  }
}
