/**
 * The sending side's stream of one channel, which opens it and, by its end, closes it.
 *
 * It is opened in the background, and again once its connection is lost, if the carrier has another.
 */
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Scope from "effect/Scope"
import * as Semaphore from "effect/Semaphore"
import type { Carrier } from "../Carrier.ts"
import type { QuicError } from "../QuicError.ts"
import type { QuicStream } from "../QuicStream.ts"
import type { ChannelSpec, SetSpec } from "./declaration.ts"
import { failedHere, failedThere } from "./errors.ts"
import { preambleOf, StreamKind } from "./preamble.ts"

interface Open {
  readonly stream: QuicStream
  readonly scope: Scope.Closeable
}

/** The last bytes of a stream. */
export type Farewell = (stream: QuicStream) => Uint8Array

const nothing = new Uint8Array(0)

export class ChannelStream {
  readonly carrier: Carrier
  readonly spec: ChannelSpec
  private readonly set: SetSpec
  private readonly scope: Scope.Scope
  /** The last thing to write before the end. */
  private readonly farewell: Farewell
  private readonly opening = Semaphore.makeUnsafe(1)
  private open: Open | undefined = undefined
  private failure: QuicError | undefined = undefined
  private isClosed = false

  constructor(carrier: Carrier, set: SetSpec, spec: ChannelSpec, scope: Scope.Scope, farewell: Farewell) {
    this.carrier = carrier
    this.set = set
    this.spec = spec
    this.scope = scope
    this.farewell = farewell
  }

  /** Why nothing can be sent any more. */
  get refusal(): Effect.Effect<never, QuicError> | undefined {
    if (this.failure !== undefined) return Effect.fail(this.failure)
    return this.isClosed ? Effect.fail(failedHere(this.spec.name, "Closed")) : undefined
  }

  /** The stream, once it is open. */
  get current(): Effect.Effect<QuicStream, QuicError> {
    return Effect.suspend(() => {
      if (this.refusal !== undefined) return this.refusal
      return this.open === undefined
        ? this.opening.withPermit(Effect.suspend(() => this.refusal ?? this.opened))
        : Effect.succeed(this.open.stream)
    })
  }

  /** Fails if the peer has refused the channel, or the connection of the stream is lost. */
  get alive(): Effect.Effect<QuicStream, QuicError> {
    return this.using((stream) => Effect.as(stream.write(nothing), stream))
  }

  /** Notes how `use` fails: a refusal is final; without its connection, the stream is opened again by the next use. */
  using<A>(use: (stream: QuicStream) => Effect.Effect<A, QuicError>): Effect.Effect<A, QuicError> {
    return Effect.flatMap(this.current, (stream) =>
      Effect.catch(use(stream), (error) => this.noted(error, stream))
    )
  }

  /** Finishes the stream, and waits until the peer has all of it. */
  get close(): Effect.Effect<void, QuicError> {
    return Effect.suspend(() => {
      if (this.isClosed && this.open !== undefined) return this.delivered(this.open.stream)
      return this.using((stream) => {
        const farewell = this.leave(stream)
        this.isClosed = true
        return farewell.pipe(Effect.andThen(stream.finish), Effect.andThen(this.delivered(stream)))
      })
    })
  }

  private delivered(stream: QuicStream): Effect.Effect<void, QuicError> {
    return Effect.catch(stream.finished, (error) => this.noted(error, stream))
  }

  private get opened(): Effect.Effect<QuicStream, QuicError> {
    if (this.open !== undefined) return Effect.succeed(this.open.stream)
    return Effect.uninterruptibleMask((restore) =>
      Effect.flatMap(Scope.fork(this.scope), (scope) =>
        restore(this.begun).pipe(
          Scope.provide(scope),
          Effect.onExit((exit) => (Exit.isFailure(exit) ? Scope.close(scope, exit) : Effect.void)),
          Effect.tap((stream) => {
            this.open = { stream, scope }
            return Scope.addFinalizer(
              scope,
              Effect.suspend(() => this.leave(stream))
            )
          })
        )
      )
    )
  }

  private get begun(): Effect.Effect<QuicStream, QuicError, Scope.Scope> {
    const { carrier, set, spec } = this
    const { version, oldest } = set
    const preamble = preambleOf(set.id, { version, oldest, kind: StreamKind.channel, channelId: spec.id })
    return carrier.openStream({ unidirectional: true, replaySafe: spec.replaySafe }).pipe(
      Effect.tap((stream) => stream.setPriority(spec.priority)),
      Effect.tap((stream) => stream.write(preamble))
    )
  }

  /** Once, and without waiting: there is room, as little else is written where there is a farewell. */
  private leave(stream: QuicStream): Effect.Effect<void> {
    if (this.isClosed || this.failure !== undefined) return Effect.void
    const bytes = this.farewell(stream)
    return bytes.length > 0 ? Effect.ignore(stream.tryWrite(bytes)) : Effect.void
  }

  private noted(error: QuicError, stream: QuicStream): Effect.Effect<never, QuicError> {
    return Effect.suspend(() => {
      const { reason } = error
      if (reason._tag === "StreamStopped") this.failure ??= failedThere(this.spec.name, reason.code)
      if (this.failure !== undefined) return Effect.fail(this.failure)
      if (reason._tag === "StreamClosed") return Effect.fail(failedHere(this.spec.name, "Closed"))
      if (this.open?.stream !== stream) return Effect.fail(error)
      const { scope } = this.open
      this.open = undefined
      return Effect.andThen(Scope.close(scope, Exit.fail(error)), Effect.fail(error))
    })
  }
}
