/**
 * Reads exact numbers of bytes from a stream, and puts back what was read too far.
 *
 * `QuicStream.read` returns what has arrived, wherever that ends; protocols want a header of eight bytes, then a body. The
 * reader keeps the difference.
 *
 * **Example** (Frames of a length and a body)
 *
 * ```ts
 * import { Effect } from "effect"
 * import { type QuicStream, StreamReader } from "effect-quic"
 *
 * const frames = (stream: QuicStream) =>
 *   Effect.gen(function* () {
 *     const reader = new StreamReader(stream, { maxBytes: 65_536 })
 *     for (;;) {
 *       const length = yield* reader.readVarint()
 *       if (length === undefined) return
 *       const body = yield* reader.readExactly(length, { within: "5 seconds" })
 *       yield* Effect.log(body)
 *     }
 *   })
 * ```
 *
 * **Interruption**
 *
 * A read that is interrupted, or that fails, consumes nothing: the reader keeps what has arrived.
 *
 * @since 0.1.0
 */
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as Stream from "effect/Stream"
import { isRecord, refuseBytes } from "./arguments.ts"
import { positiveMillis } from "./durationOption.ts"
import {
  invalidOption,
  type QuicError,
  type QuicErrorReason,
  quicError,
  ReadLimit,
  ReadTimeout,
  StreamEnded
} from "./QuicError.ts"
import { readableOf } from "./readableOf.ts"
import type { QuicStream } from "./QuicStream.ts"
import { ByteReader } from "./wire/ByteReader.ts"

/** Room at first; it doubles, so that a length alone reserves nothing. */
const FIRST_BYTES = 256
const DEFAULT_MAX_BYTES = 16 * 1024 * 1024
const MAX_BYTES = 2 ** 32 - 1

/**
 * How much a reader holds.
 *
 * @category options
 * @since 0.1.0
 */
export interface ReaderOptions {
  /** Most bytes of one exact read, and of what is put back. 1 to 2^32−1, default 16 MiB. */
  readonly maxBytes?: number
}

/**
 * How long a read may take.
 *
 * @category options
 * @since 0.1.0
 */
export interface ReadOptions {
  /** Fails with `ReadTimeout` after that time. Above 0. Default: waits for any time. */
  readonly within?: Duration.Input
}

/**
 * A reader of one stream. It holds at most twice what has arrived of the bytes it waits for.
 *
 * Once a reader has read from a stream, read through it alone, in one fiber at a time. The constructor throws a `RangeError` for a bad `maxBytes`.
 *
 * @category models
 * @since 0.1.0
 */
export class StreamReader {
  /** The stream; write to it directly. */
  readonly stream: QuicStream
  private readonly maxBytes: number
  /** What was read too far: `buffer[start, end)`. */
  private buffer: Uint8Array = empty
  private start = 0
  private end = 0

  constructor(stream: QuicStream, options: ReaderOptions = {}) {
    const { maxBytes = DEFAULT_MAX_BYTES } = options
    if (!Number.isSafeInteger(maxBytes) || maxBytes < 1 || maxBytes > MAX_BYTES)
      throw new RangeError("maxBytes: an integer from 1 to 2^32-1")
    this.stream = stream
    this.maxBytes = maxBytes
  }

  /** How many bytes it holds. */
  get heldBytes(): number {
    return this.end - this.start
  }

  /** The next bytes, 1 to `max`, as `QuicStream.read` does; those that it holds come first. */
  read(max = 65_536): Effect.Effect<Uint8Array | undefined, QuicError> {
    return Effect.suspend(() => {
      if (this.heldBytes === 0) return this.stream.read(max)
      if (!Number.isSafeInteger(max) || max < 1) return invalidMax
      return this.taken(Math.min(max, this.heldBytes))
    })
  }

  /**
   * Exactly `length` bytes, 0 to `maxBytes`, once all have arrived; `undefined` if the stream ends before the first.
   *
   * Fails with `StreamEnded` if it ends before the last, `ReadTimeout`, `ReadLimit` if `length` is above `maxBytes`, before it
   * waits, `InvalidOption`, and as `QuicStream.read` does.
   */
  readExactly(length: number, options?: ReadOptions): Effect.Effect<Uint8Array | undefined, QuicError> {
    return Effect.suspend(() => {
      if (!Number.isSafeInteger(length) || length < 0) return invalidLength
      if (length > this.maxBytes) return this.tooMuch(length, this.maxBytes)
      return Effect.flatMap(this.within(this.filled(length), options), (isFilled) =>
        isFilled ? this.taken(length) : this.cutOff(length)
      )
    })
  }

  /**
   * A variable-length integer, 0 to 2^53−1; `undefined` if the stream ends before its first byte. RFC 9000 §16
   *
   * Fails with `StreamEnded`, `ReadTimeout`, `ReadLimit` if it is larger, `InvalidOption`, and as `QuicStream.read` does.
   */
  readVarint(options?: ReadOptions): Effect.Effect<number | undefined, QuicError> {
    const whole = Effect.flatMap(this.filled(1), (isFilled) =>
      isFilled ? this.filled(this.varintBytes) : Effect.succeed(false)
    )
    return Effect.flatMap(this.within(whole, options), (isFilled) => {
      const size = this.varintBytes
      if (!isFilled) return this.cutOff(size)
      const value = new ByteReader(this.buffer, this.start, this.start + size).varint()
      if (value > Number.MAX_SAFE_INTEGER) return this.tooMuch(value, Number.MAX_SAFE_INTEGER)
      return Effect.as(this.taken(size), value)
    })
  }

  /** Puts a copy of `bytes` before what comes next. Fails with `ReadLimit` if it would hold more than `maxBytes`. */
  unread(bytes: Uint8Array): Effect.Effect<void, QuicError> {
    return Effect.suspend(() => {
      const refusal = refuseBytes(bytes)
      if (refusal !== undefined) return refusal
      const size = bytes.length + this.heldBytes
      if (size > this.maxBytes) return this.tooMuch(size, this.maxBytes)
      const joined = new Uint8Array(size)
      joined.set(bytes)
      joined.set(this.buffer.subarray(this.start, this.end), bytes.length)
      this.hold(joined)
      return Effect.void
    })
  }

  /** What comes next, to the end of the stream, as `QuicStream.readable`. */
  get readable(): Stream.Stream<Uint8Array, QuicError> {
    return readableOf(this.read())
  }

  /** Only waits for bytes, which the caller takes in its own fiber: a result on its way between fibers could be lost. */
  private within(
    filled: Effect.Effect<boolean, QuicError>,
    options: ReadOptions | undefined
  ): Effect.Effect<boolean, QuicError> {
    if (options === undefined) return filled
    const given: unknown = isRecord(options) ? options.within : undefined
    if (given === undefined) return filled
    const millis = positiveMillis(given)
    if (millis === undefined) return invalidWithin
    const late = () => fail(new ReadTimeout({ streamId: this.stream.id, millis }))
    return Effect.timeoutOrElse(filled, { duration: millis, orElse: late })
  }

  /** Waits until it holds `length` bytes; false if the stream ends before. */
  private filled(length: number): Effect.Effect<boolean, QuicError> {
    return Effect.suspend(() => {
      const missing = length - this.heldBytes
      if (missing <= 0) return Effect.succeed(true)
      // read and kept in one step, so that no interrupt comes between
      const more = Effect.map(this.stream.read(missing), (bytes) => {
        if (bytes !== undefined) this.append(bytes, length)
        return bytes !== undefined
      })
      return Effect.flatMap(more, (hasArrived) => (hasArrived ? this.filled(length) : Effect.succeed(false)))
    })
  }

  /** Size of the integer that begins here; of which the first byte may be missing. RFC 9000 §16 */
  private get varintBytes(): number {
    return this.heldBytes === 0 ? 1 : 1 << (this.buffer[this.start] >> 6)
  }

  private append(bytes: Uint8Array, wanted: number): void {
    const held = this.heldBytes
    if (held === 0) return this.hold(bytes)
    const size = held + bytes.length
    // what a stream or a caller has handed over is full: it is never written to
    if (this.end + bytes.length > this.buffer.length) {
      const grown = new Uint8Array(Math.max(size, Math.min(wanted, Math.max(FIRST_BYTES, 2 * held))))
      grown.set(this.buffer.subarray(this.start, this.end))
      this.hold(grown)
    }
    this.end = this.start + size
    this.buffer.set(bytes, this.end - bytes.length)
  }

  private hold(buffer: Uint8Array): void {
    this.buffer = buffer
    this.start = 0
    this.end = buffer.length
  }

  private taken(length: number): Effect.Effect<Uint8Array> {
    return Effect.sync(() => {
      const bytes = this.buffer.subarray(this.start, Math.min(this.end, this.start + length))
      this.start += bytes.length
      if (this.start === this.end) this.hold(empty)
      return bytes
    })
  }

  private cutOff(wanted: number): Effect.Effect<undefined, QuicError> {
    const arrived = this.heldBytes
    return arrived === 0
      ? Effect.undefined
      : fail(new StreamEnded({ streamId: this.stream.id, wanted, arrived }))
  }

  private tooMuch(wanted: number, limit: number): Effect.Effect<never, QuicError> {
    return fail(new ReadLimit({ streamId: this.stream.id, wanted, limit }))
  }
}

const empty = new Uint8Array(0)
const invalidWithin = invalidOption("within", "a duration above 0")
const invalidMax = invalidOption("max", "an integer from 1 to 2^53-1")
const invalidLength = invalidOption("length", "an integer from 0 to 2^53-1")
const fail = (reason: QuicErrorReason): Effect.Effect<never, QuicError> => Effect.fail(quicError(reason))
