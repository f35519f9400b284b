/**
 * One stream of a connection: an ordered sequence of bytes in one or both directions. RFC 9000 §2
 *
 * Reading and writing come as plain operations (`read`, `write`, `finish`, `reset`, `stop`) and as Effect's own:
 * `readable` is a `Stream`, `writable` a `Sink`.
 *
 * **Interruption**
 *
 * An operation interrupted before it takes effect, or while it waits, has no effect; after its last wait it completes
 * at once.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Pull from "effect/Pull"
import * as Sink from "effect/Sink"
import type * as Stream from "effect/Stream"
import { isBytes, isRecord, refuseBytes, refuseChunks } from "./arguments.ts"
import { READ_ALL_BYTES, readAll } from "./readAll.ts"
import { readableOf } from "./readableOf.ts"
import { endingOf, ReadStream } from "./actor/ReadStream.ts"
import type { ConnectionActor } from "./actor/ConnectionActor.ts"
import type { StreamActor } from "./actor/StreamActor.ts"
import {
  invalidOption,
  type QuicError,
  ResetRefused,
  StreamClosed,
  StreamStopped,
  quicError,
  withErrorCode
} from "./QuicError.ts"
import { badPath, type PathPreference, pathHintOf } from "./SendOptions.ts"
import { isUnidirectional } from "./stream/StreamId.ts"

/** Default limit of a `read`, and chunk size of `readable`. */
const READ_BYTES = 65_536

/**
 * How a stream is reset.
 *
 * @category options
 * @since 0.1.0
 */
export interface ResetOptions {
  /**
   * Bytes from the start of the stream that are still delivered. 0 to 2^53−1, or `Infinity` for all written so far.
   * Default 0. RESET_STREAM_AT, draft-ietf-quic-reliable-stream-reset
   */
  readonly deliver?: number
}

/**
 * A stream of a connection. Opened and accepted by `QuicConnection`.
 *
 * **Example** (A request and its response)
 *
 * ```ts
 * import { Effect } from "effect"
 * import type { QuicConnection } from "effect-quic"
 *
 * const request = (connection: QuicConnection, body: Uint8Array) =>
 *   Effect.scoped(
 *     Effect.gen(function* () {
 *       const stream = yield* connection.openBidi
 *       yield* stream.write(body)
 *       yield* stream.finish
 *       return yield* stream.read()
 *     })
 *   )
 * ```
 *
 * @category models
 * @since 0.1.0
 */
export class QuicStream {
  private readonly actor: ConnectionActor
  private readonly own: StreamActor

  /** Called by `QuicConnection`; not for applications. @internal */
  constructor(actor: ConnectionActor, own: StreamActor) {
    this.actor = actor
    this.own = own
  }

  /** Stream ID; its two low bits say which side opened it and whether it is unidirectional. RFC 9000 §2.1 */
  get id(): number {
    return this.own.id
  }

  /** Whether only one side sends on it. */
  get isUnidirectional(): boolean {
    return isUnidirectional(this.id)
  }

  /**
   * The next bytes, as soon as there are any; `undefined` at the end of the stream.
   *
   * `max` limits how many, 1 to 2^53−1, default 65,536. Fails with `StreamReset` if the peer reset the stream,
   * `StreamClosed` if this side has stopped it or cannot read it, `InvalidOption` for a bad `max`, and with the end of
   * the connection.
   *
   * **Interruption**: while waiting; consumes nothing.
   */
  read(max: number = READ_BYTES): Effect.Effect<Uint8Array | undefined, QuicError> {
    return new ReadStream(this.actor, this.own, max)
  }

  /**
   * All bytes to the end of the stream. Fails with `ReadLimit` if they are more than `limit`, 0 to 2^32−1, default 16 MiB; the
   * rest can still be read. Otherwise as `read`.
   *
   * **Interruption**: while waiting; what it has read is lost with it.
   */
  readAll(limit: number = READ_ALL_BYTES): Effect.Effect<Uint8Array, QuicError> {
    return readAll(this, limit)
  }

  /** As `readAll`, as text in UTF-8; what is malformed becomes U+FFFD. */
  readString(limit: number = READ_ALL_BYTES): Effect.Effect<string, QuicError> {
    return Effect.map(readAll(this, limit), (bytes) => new TextDecoder().decode(bytes))
  }

  /**
   * As `read`, but copies the next bytes into `into`, from its beginning, and returns how many: `undefined` at the end of
   * the stream. For streams that carry much: what they receive is kept in memory that is used again, where each `read`
   * hands out memory of its own.
   *
   * Fails as `read` does, with `InvalidOption` if `into` is no Uint8Array or empty.
   *
   * **Interruption**: while waiting; consumes nothing, and writes nothing into `into`.
   */
  readInto(into: Uint8Array): Effect.Effect<number | undefined, QuicError> {
    return Effect.suspend(() => {
      const { actor, id } = this
      const refusal = isBytes(into) && into.length > 0 ? undefined : emptyInto
      if (refusal !== undefined) return refusal
      if (actor.core.streams.readableBytes(id) > 0) return Effect.sync(() => this.takeInto(into))
      actor.core.streams.readInto(id, into)
      return endingOf(actor, this.own) ?? this.own.readable.parkThen(this.readInto(into))
    })
  }

  /** 0 if another fiber was faster. */
  private takeInto(into: Uint8Array): number {
    const length = this.actor.core.streams.readInto(this.id, into)
    this.actor.touch()
    return length
  }

  /**
   * Writes all of `bytes`, waiting while the send buffer is full. Returns when they are accepted, not when delivered.
   *
   * The bytes are not copied: do not change them before `finished`, or pass a copy. Fails with `StreamStopped` if the
   * peer asked to stop, `StreamClosed` after `finish` or `reset`, `InvalidOption` if `bytes` is no Uint8Array, and with
   * the end of the connection.
   *
   * **Interruption**: while waiting; writes nothing.
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
   * Writes all `chunks`, one after the other, or none of them: a header and its body, for example, without copying them
   * together. Otherwise as `write`, also in that one call may overfill the send buffer: more bytes than `sendBufferBytes`
   * are accepted as soon as there is any room, not never.
   *
   * Fails with `InvalidOption` if `chunks` is no array of Uint8Arrays.
   *
   * **Interruption**: while waiting; writes nothing.
   */
  writeAll(chunks: ReadonlyArray<Uint8Array>): Effect.Effect<void, QuicError> {
    return Effect.suspend(() => {
      const { actor, id, own } = this
      const refusal = refuseChunks(chunks) ?? this.sendRefusal()
      if (refusal !== undefined) return refusal
      if (chunks.some(({ length }) => length > 0) && !actor.core.streams.writeAll(id, chunks))
        return own.writable.parkThen(this.writeAll(chunks))
      actor.touch()
      return Effect.void
    })
  }

  /** Writes as much of `bytes` as the send buffer accepts now, and returns how much that was. Fails as `write` does. */
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

  /** Ends the sending side (FIN). Data already written is still delivered. Idempotent. RFC 9000 §3.1 */
  get finish(): Effect.Effect<void> {
    return Effect.sync(() => {
      this.actor.core.streams.finish(this.id)
      this.actor.touch()
    })
  }

  /**
   * Waits until the peer has acknowledged everything written, FIN included. Fails as `write` does.
   *
   * **Interruption**: while waiting; changes nothing.
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
   * Waits until the peer no longer reads what this side writes, and returns its application error code: it has timed out,
   * or has heard enough. `undefined` if that can no longer happen, because the sending side is over. Fails with the end of
   * the connection. STOP_SENDING, RFC 9000 §3.5
   *
   * **Interruption**: while waiting; changes nothing.
   */
  get stopped(): Effect.Effect<number | undefined, QuicError> {
    return Effect.suspend(() => {
      const { actor, id, own } = this
      const state = own.ended?.send ?? actor.core.streams.sendOutcome(id)
      if (state._tag === "stopped") return Effect.succeed(state.code)
      const canHappen = state._tag === "open" || (state._tag === "finished" && !state.acknowledged)
      if (!canHappen) return Effect.undefined
      return actor.failure ?? own.writable.parkThen(this.stopped)
    })
  }

  /**
   * Bytes that are written and not yet acknowledged by the peer: what this stream holds in memory.
   *
   * 0 once everything is delivered, or the sending side is reset.
   */
  get unacknowledgedBytes(): number {
    return this.actor.core.streams.sendHeldBytes(this.id)
  }

  /**
   * Abandons the sending side with an application error `code`, 0 to 2^53−1. RFC 9000 §11.2, §19.4
   *
   * Undelivered data is dropped, except the first `deliver` bytes of the stream, which the peer reads before it sees
   * the reset; a later reset can only lower that number.
   *
   * Fails with `InvalidOption`, and with `ResetRefused`, changing nothing, if `deliver` is given and the peer does not
   * support it.
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
        this.own.wakeWriters()
        return Effect.void
      })
    )
  }

  /**
   * Asks the peer to stop sending, with an application error `code`, 0 to 2^53−1; nothing more can be read.
   * STOP_SENDING, RFC 9000 §19.5. Fails with `InvalidOption`.
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
   * Streams of higher priority are sent first; equal ones take turns. Any integer, default 0. Fails with
   * `InvalidOption`.
   */
  setPriority(priority: number): Effect.Effect<void, QuicError> {
    return Effect.suspend(() => {
      if (!Number.isSafeInteger(priority)) return invalidPriority
      this.actor.core.streams.setPriority(this.id, priority)
      return Effect.void
    })
  }

  /**
   * On which path the stream is sent, lost data too, while its connection has several; undefined for where the scheduler
   * says, which is the default. Fails with `InvalidOption`.
   */
  setPath(path: PathPreference | undefined): Effect.Effect<void, QuicError> {
    return Effect.suspend(() => {
      const hint = pathHintOf(path)
      if (hint === undefined) return badPath
      this.actor.core.streams.setHint(this.id, hint)
      this.actor.touch()
      return Effect.void
    })
  }

  /**
   * The bytes that arrive, to the end of the stream. Fails as `read` does.
   *
   * **Interruption**: the chunk its consumer was processing is lost with the consumer; the rest can still be read.
   */
  get readable(): Stream.Stream<Uint8Array, QuicError> {
    return readableOf(this.read())
  }

  /**
   * Writes the chunks it receives and finishes the stream after the last. Fails as `write` does.
   *
   * **Interruption**: leaves a number of whole chunks written and the stream unfinished.
   */
  get writable(): Sink.Sink<void, Uint8Array, never, QuicError> {
    const writeEach = Effect.fnUntraced(function* (this: QuicStream, chunks: ReadonlyArray<Uint8Array>) {
      for (const chunk of chunks) yield* this.write(chunk)
    })
    return Sink.fromTransform((upstream) =>
      Pull.catchDone(
        Effect.forever(
          Effect.flatMap(upstream, (chunks) => writeEach.call(this, chunks)),
          { disableYield: true }
        ),
        () => Effect.as(this.finish, [undefined] as const)
      )
    )
  }
}

const emptyInto = invalidOption("into", "a Uint8Array with room for at least one byte")
const invalidPriority = invalidOption("priority", "an integer")
const invalidDeliver = invalidOption(
  "deliver",
  "in an object of options, an integer from 0 to 2^53-1, or Infinity"
)

const fail = (
  reason: ConstructorParameters<typeof QuicError>[0]["reason"]
): Effect.Effect<never, QuicError> => Effect.fail(quicError(reason))
