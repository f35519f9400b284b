/** Why an operation on a stream or a datagram failed: one tagged class for each case. */
import * as Schema from "effect/Schema"

/**
 * The peer reset its sending side of the stream.
 *
 * **Details**
 *
 * Fails `read`; `code` is the peer's application error code. RFC 9000 §19.4
 *
 * @category reasons
 * @since 0.1.0
 */
export class StreamReset extends Schema.TaggedError<StreamReset>()("StreamReset", {
  /** The stream. RFC 9000 §2.1 */
  streamId: Schema.Number,
  /** The peer's application error code, below 2^53. */
  code: Schema.Number
}) {
  override get message(): string {
    return `the peer reset stream ${this.streamId} with code ${this.code}`
  }
}

/**
 * The peer asked this side to stop sending on the stream.
 *
 * **Details**
 *
 * Fails `write` and `finished`; `code` is the peer's application error code. RFC 9000 §19.5
 *
 * @category reasons
 * @since 0.1.0
 */
export class StreamStopped extends Schema.TaggedError<StreamStopped>()("StreamStopped", {
  /** The stream. RFC 9000 §2.1 */
  streamId: Schema.Number,
  /** The peer's application error code, below 2^53. */
  code: Schema.Number
}) {
  override get message(): string {
    return `the peer stopped stream ${this.streamId} with code ${this.code}`
  }
}

/**
 * This side has already ended that half of the stream, or the stream has no such half.
 *
 * **Details**
 *
 * Reading a stream after `stop`, writing one after `finish` or `reset`, writing a stream that only the peer writes.
 *
 * @category reasons
 * @since 0.1.0
 */
export class StreamClosed extends Schema.TaggedError<StreamClosed>()("StreamClosed", {
  /** The stream. RFC 9000 §2.1 */
  streamId: Schema.Number,
  /** What is wrong, in words for people. */
  problem: Schema.String
}) {
  override get message(): string {
    return `stream ${this.streamId}: ${this.problem}`
  }
}

/**
 * The peer does not support resets that deliver the beginning of a stream.
 *
 * **Details**
 *
 * Fails `reset` with `deliver` above 0; the stream is unchanged. RESET_STREAM_AT,
 * draft-ietf-quic-reliable-stream-reset
 *
 * @category reasons
 * @since 0.1.0
 */
export class ResetRefused extends Schema.TaggedError<ResetRefused>()("ResetRefused", {
  /** The stream. RFC 9000 §2.1 */
  streamId: Schema.Number
}) {
  override get message(): string {
    return `stream ${this.streamId}: the peer does not support resets that deliver the beginning of a stream (RESET_STREAM_AT)`
  }
}

/**
 * The datagram cannot be sent: too large for the path, or the peer accepts none. Or none can be received, as this side
 * accepts none. `transport.maxDatagramFrameBytes` of the side that is to receive turns datagrams on.
 *
 * **Details**
 *
 * RFC 9221 §3
 *
 * @category reasons
 * @since 0.1.0
 */
export class DatagramRefused extends Schema.TaggedError<DatagramRefused>()("DatagramRefused", {
  /** What is wrong, in words for people. */
  problem: Schema.String
}) {
  override get message(): string {
    return this.problem
  }
}
