/**
 * One stream of a connection: bytes in order, each way that its kind has. RFC 9000 §2
 *
 * Reading and writing come plain (`read`, `write`, `finish`, `reset`, `stop`) and as Effect's own: `readable` is a
 * `Stream`, `writable` a `Sink`. Every operation begins with a checkpoint: interrupted there, or while it waits, it has
 * changed nothing; what follows the last wait happens wholly and at once.
 */
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Pull from "effect/Pull"
import * as Sink from "effect/Sink"
import * as Stream from "effect/Stream"
import { isRecord, refuseBytes } from "./arguments.ts"
import type { ConnectionActor } from "./actor/ConnectionActor.ts"
import type { StreamActor } from "./actor/StreamActor.ts"
import {
  invalidOption,
  type QuicError,
  ResetRefused,
  StreamClosed,
  StreamReset,
  StreamStopped,
  quicError,
  withErrorCode
} from "./QuicError.ts"
import { isUnidirectional } from "./stream/StreamId.ts"

/** The most `readable` asks for at once, bytes. */
const READ_BYTES = 65_536

export interface ResetOptions {
  /** How many bytes from the start of the stream still reach the peer; `Infinity`: all that was written. */
  readonly deliver?: number
}

export class QuicStream {
  /** RFC 9000 §2.1: the two low bits tell who opened it and whether it goes both ways. */
  readonly id: number
  private readonly actor: ConnectionActor
  private readonly own: StreamActor

  /** Made by `QuicConnection`; not for applications. */
  constructor(actor: ConnectionActor, own: StreamActor) {
    this.id = own.id
    this.actor = actor
    this.own = own
  }

  get isUnidirectional(): boolean {
    return isUnidirectional(this.id)
  }

  /**
   * The next bytes, at most `max` (1 … 2^53−1), as soon as there are any; `undefined` at the end of the stream.
   *
   * Fails with `StreamReset` when the peer abandoned the stream, `StreamClosed` when this side has stopped it.
   * A checkpoint first, and whenever it waits; interrupted, it has taken nothing from the stream.
   */
  read(max: number = READ_BYTES): Effect.Effect<Uint8Array | undefined, QuicError> {
    return Effect.suspend(() => {
      const { actor, id } = this
      if (!Number.isSafeInteger(max) || max < 1) return invalidMax
      // taken in the very step that hands them over, so that no interrupt falls between the two
      if (actor.core.streams.readableBytes(id) > 0) return Effect.sync(() => this.take(max))
      actor.core.streams.read(id, max) // the end, if there is one, is seen now
      const state = this.own.ended?.receive ?? actor.core.streams.receiveOutcome(id)
      switch (state._tag) {
        case "finished":
          return Effect.succeed(undefined)
        case "reset":
          return fail(new StreamReset({ streamId: id, code: state.code }))
        case "stopped":
          return fail(new StreamClosed({ streamId: id, problem: "this side has stopped reading it" }))
        case "none":
          return fail(new StreamClosed({ streamId: id, problem: "it has no receiving side" }))
        case "closed":
          return fail(new StreamClosed({ streamId: id, problem: "it has ended" }))
        case "open":
          return actor.failure ?? this.own.readable.parkThen(this.read(max))
      }
    })
  }

  /** Nothing when somebody else was faster. */
  private take(max: number): Uint8Array {
    const bytes = this.actor.core.streams.read(this.id, max)
    this.actor.touch()
    return bytes ?? new Uint8Array(0)
  }

  /**
   * Hands all of `bytes` over, waiting while the send buffer is full; done when they are accepted, which is before they
   * are delivered. The bytes are not copied: leave them as they are until `finished`, or hand over a copy.
   *
   * Fails with `StreamStopped` when the peer wants no more, `StreamClosed` after `finish` or `reset`. A checkpoint
   * first, and whenever it waits; interrupted, it has handed over nothing.
   */
  write(bytes: Uint8Array): Effect.Effect<void, QuicError> {
    return Effect.suspend(() => {
      const { actor, id, own } = this
      const refusal = refuseBytes(bytes) ?? this.sendRefusal()
      if (refusal !== undefined) return refusal
      if (bytes.length > 0 && !actor.core.streams.writeWhole(id, bytes))
        return own.writable.parkThen(this.write(bytes))
      actor.touch()
      return Effect.void
    })
  }

  /**
   * Hands over as much of `bytes` as the send buffer takes now, and says how much that was. A checkpoint, then at once.
   */
  tryWrite(bytes: Uint8Array): Effect.Effect<number, QuicError> {
    return Effect.suspend(() => {
      const refusal = refuseBytes(bytes) ?? this.sendRefusal()
      if (refusal !== undefined) return refusal
      const accepted = this.actor.core.streams.write(this.id, bytes)
      this.actor.touch()
      return Effect.succeed(accepted)
    })
  }

  /** Why nothing can be written any more; undefined while it can. */
  private sendRefusal(): Effect.Effect<never, QuicError> | undefined {
    const { actor, id } = this
    const state = this.own.ended?.send ?? actor.core.streams.sendOutcome(id)
    switch (state._tag) {
      case "open":
        return actor.failure
      case "stopped":
        return fail(new StreamStopped({ streamId: id, code: state.code }))
      case "finished":
        return (
          actor.failure ??
          fail(new StreamClosed({ streamId: id, problem: "this side has finished writing it" }))
        )
      case "reset":
        return fail(new StreamClosed({ streamId: id, problem: "this side has reset it" }))
      case "closed":
        return fail(new StreamClosed({ streamId: id, problem: "it has ended" }))
      case "none":
        return fail(new StreamClosed({ streamId: id, problem: "it has no sending side" }))
    }
  }

  /**
   * Says that nothing more will be written (FIN). What was written is still delivered. Idempotent. A checkpoint, then
   * at once.
   */
  get finish(): Effect.Effect<void> {
    return Effect.sync(() => {
      this.actor.core.streams.finish(this.id)
      this.actor.touch()
    })
  }

  /**
   * Waits until the peer has acknowledged everything written, FIN included. Fails as `write` does. Interrupted, it has
   * changed nothing.
   */
  get finished(): Effect.Effect<void, QuicError> {
    return Effect.suspend(() => {
      const { actor, id, own } = this
      const state = own.ended?.send ?? actor.core.streams.sendOutcome(id)
      if (state._tag === "finished" && state.acknowledged) return Effect.void
      if (state._tag === "stopped") return fail(new StreamStopped({ streamId: id, code: state.code }))
      if (state._tag === "reset")
        return fail(new StreamClosed({ streamId: id, problem: "this side has reset it" }))
      if (state._tag === "none")
        return fail(new StreamClosed({ streamId: id, problem: "it has no sending side" }))
      return actor.failure ?? own.writable.parkThen(this.finished)
    })
  }

  /**
   * Abandons the sending side with an application error `code` (RFC 9000 §11.2, §19.4). What is not delivered yet is
   * dropped, but for the first `deliver` bytes of the stream: the peer reads these before it learns of the reset, and a
   * later reset can only make them fewer (RESET_STREAM_AT, draft-ietf-quic-reliable-stream-reset). A checkpoint, then
   * at once.
   *
   * With `deliver`, fails with `ResetRefused` and changes nothing when the peer does not know such resets.
   */
  reset(code: number, options: ResetOptions = {}): Effect.Effect<void, QuicError> {
    return withErrorCode(code, () =>
      Effect.suspend(() => {
        const { actor, id } = this
        const given: unknown = options
        if (!isRecord(given)) return invalidDeliver
        const { deliver = 0 } = options
        if (deliver < 0 || !(Number.isSafeInteger(deliver) || deliver === Infinity)) return invalidDeliver
        if (deliver === 0) actor.core.streams.reset(id, code)
        else if (!actor.core.streams.resetAt(id, code, deliver))
          return fail(new ResetRefused({ streamId: id }))
        actor.touch()
        return Effect.void
      })
    )
  }

  /**
   * Tells the peer that nothing more will be read, with an application error `code` (STOP_SENDING, RFC 9000 §19.5). A
   * checkpoint, then at once.
   */
  stop(code: number): Effect.Effect<void, QuicError> {
    return withErrorCode(code, () =>
      Effect.sync(() => {
        this.actor.core.streams.stop(this.id, code)
        this.actor.touch()
        this.own.readable.wakeAll()
      })
    )
  }

  /**
   * Streams of higher priority are sent first; equals take turns. Any integer, 0 to begin with. A checkpoint, then at
   * once.
   */
  setPriority(priority: number): Effect.Effect<void, QuicError> {
    return Effect.suspend(() => {
      if (!Number.isSafeInteger(priority)) return invalidPriority
      this.actor.core.streams.setPriority(this.id, priority)
      return Effect.void
    })
  }

  /**
   * What arrives, as it arrives, to the end of the stream. Interrupted, what its consumer had in hand is gone with it;
   * the rest is still to be read.
   */
  get readable(): Stream.Stream<Uint8Array, QuicError> {
    return Stream.fromPull(
      Effect.succeed(
        Effect.flatMap(this.read(), (bytes) =>
          bytes === undefined ? Cause.done() : Effect.succeed([bytes] as const)
        )
      )
    )
  }

  /**
   * Writes what it is fed and finishes the stream after the last. Interrupted, it has written a number of whole chunks,
   * and has not finished.
   */
  get writable(): Sink.Sink<void, Uint8Array, never, QuicError> {
    const writeAll = Effect.fnUntraced(function* (this: QuicStream, chunks: ReadonlyArray<Uint8Array>) {
      for (const chunk of chunks) yield* this.write(chunk)
    })
    return Sink.fromTransform((upstream) =>
      Pull.catchDone(
        Effect.forever(
          Effect.flatMap(upstream, (chunks) => writeAll.call(this, chunks)),
          { disableYield: true }
        ),
        () => Effect.as(this.finish, [undefined] as const)
      )
    )
  }
}

const invalidMax = invalidOption("max", "an integer from 1 to 2^53-1")
const invalidPriority = invalidOption("priority", "an integer")
const invalidDeliver = invalidOption(
  "deliver",
  "in an object of options, an integer from 0 to 2^53-1, or Infinity"
)

const fail = (
  reason: ConstructorParameters<typeof QuicError>[0]["reason"]
): Effect.Effect<never, QuicError> => Effect.fail(quicError(reason))
