/** Why an exact read failed. */
import * as Schema from "effect/Schema"

/**
 * The stream ended within what was to be read.
 *
 * **Details**
 *
 * Fails the exact reads of `StreamReader`: `wanted` bytes, of which `arrived` did. They can still be read, by `read`.
 *
 * @category reasons
 * @since 0.1.0
 */
export class StreamEnded extends Schema.TaggedError<StreamEnded>()("StreamEnded", {
  /** The stream. RFC 9000 §2.1 */
  streamId: Schema.Number,
  /** Bytes that were to be read. */
  wanted: Schema.Number,
  /** Bytes of them that arrived. */
  arrived: Schema.Number
}) {
  override get message(): string {
    return `stream ${this.streamId} ended after ${this.arrived} of ${this.wanted} bytes`
  }
}

/**
 * What was to be read did not arrive in time.
 *
 * **Details**
 *
 * Fails the reads of `StreamReader` with `within`. Nothing is lost: the next read finds what has arrived.
 *
 * @category reasons
 * @since 0.1.0
 */
export class ReadTimeout extends Schema.TaggedError<ReadTimeout>()("ReadTimeout", {
  /** The stream. RFC 9000 §2.1 */
  streamId: Schema.Number,
  /** How long the read waited. */
  millis: Schema.Number
}) {
  override get message(): string {
    return `stream ${this.streamId}: it did not arrive within ${this.millis} ms`
  }
}

/**
 * More than a `StreamReader` may hold, or an integer that no number can represent.
 *
 * **Details**
 *
 * `wanted` is what was asked for, `limit` what is allowed. Nothing is consumed.
 *
 * @category reasons
 * @since 0.1.0
 */
export class ReadLimit extends Schema.TaggedError<ReadLimit>()("ReadLimit", {
  /** The stream. RFC 9000 §2.1 */
  streamId: Schema.Number,
  /** What was asked for. */
  wanted: Schema.Number,
  /** What is allowed. */
  limit: Schema.Number
}) {
  override get message(): string {
    return `stream ${this.streamId}: ${this.wanted} is above the limit of ${this.limit}`
  }
}
