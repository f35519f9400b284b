/**
 * The one error type of the public API. What went wrong is its `reason`, a tagged union.
 *
 * **Example** (Handling one reason)
 *
 * ```ts
 * import { Effect, type Scope } from "effect"
 * import type { QuicConnection, QuicError, QuicStream } from "effect-quic"
 *
 * const openOr = (
 *   connection: QuicConnection,
 *   reconnect: Effect.Effect<QuicStream, QuicError>
 * ): Effect.Effect<QuicStream, QuicError, Scope.Scope> =>
 *   connection.openBidi.pipe(Effect.catchReason("QuicError", "IdleTimeout", () => reconnect))
 * ```
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { ChannelFailed } from "./channelReasons.ts"
import { PathFailed } from "./pathReasons.ts"
import { ReadLimit, ReadTimeout, StreamEnded } from "./readReasons.ts"
import { ConnectFailed, ResolveFailed, Unreachable } from "./connectReasons.ts"
import {
  ActiveConnectionId,
  NoConnectionIds,
  NoSpareConnectionId,
  RetiredConnectionId,
  RotationPending,
  UnknownConnectionId
} from "./connectionIdReasons.ts"
import {
  InvalidOption,
  BindFailed,
  HandshakeRefused,
  ApplicationClosed,
  TransportClosed,
  IdleTimeout,
  HandshakeTimeout,
  StatelessReset,
  VersionMismatch,
  EndpointClosed,
  MigrationFailed,
  PeerClosed,
  PeerBusy,
  ShardFailed
} from "./errorReasons.ts"
import { DatagramRefused, ResetRefused, StreamClosed, StreamReset, StreamStopped } from "./streamReasons.ts"

export * from "./channelReasons.ts"
export * from "./connectionIdReasons.ts"
export * from "./connectReasons.ts"
export * from "./errorReasons.ts"
export * from "./pathReasons.ts"
export * from "./readReasons.ts"
export * from "./streamReasons.ts"

/**
 * Schema of every reason a QUIC operation can fail for. Reasons can be encoded, sent and decoded.
 *
 * @category schemas
 * @since 0.1.0
 */
export const QuicErrorReason = Schema.Union([
  InvalidOption,
  BindFailed,
  ResolveFailed,
  Unreachable,
  ConnectFailed,
  HandshakeRefused,
  ApplicationClosed,
  TransportClosed,
  IdleTimeout,
  HandshakeTimeout,
  StatelessReset,
  VersionMismatch,
  EndpointClosed,
  StreamReset,
  StreamStopped,
  StreamClosed,
  StreamEnded,
  ReadTimeout,
  ReadLimit,
  ResetRefused,
  DatagramRefused,
  MigrationFailed,
  PathFailed,
  UnknownConnectionId,
  RetiredConnectionId,
  ActiveConnectionId,
  RotationPending,
  NoSpareConnectionId,
  NoConnectionIds,
  PeerClosed,
  PeerBusy,
  ShardFailed,
  ChannelFailed
])
/**
 * Why a QUIC operation failed; match on `_tag`.
 *
 * @category models
 * @since 0.1.0
 */
export type QuicErrorReason = typeof QuicErrorReason.Type

/**
 * The error every operation of this package fails with.
 *
 * **Details**
 *
 * `reason` says what happened; `message` is the message of the reason. Match a reason with `Effect.catchReason`. Loading
 * an `Identity` fails with `IdentityError` instead, since it needs no network.
 *
 * @category errors
 * @since 0.1.0
 */
export class QuicError extends Schema.TaggedError<QuicError>()("QuicError", {
  /** What happened. */
  reason: QuicErrorReason
}) {
  override get message(): string {
    return this.reason.message
  }
}

/**
 * Makes a `QuicError` from its reason.
 *
 * @category constructors
 * @since 0.1.0
 */
export const quicError = (reason: QuicErrorReason): QuicError => {
  // An expected error is one line, below which Effect shows the spans of the caller. Where in this package it was made says
  // nothing, and costs more than the error.
  const limit = Error.stackTraceLimit
  Reflect.set(Error, "stackTraceLimit", 0)
  try {
    const error = new QuicError({ reason })
    error.stack = `${error.name}: ${error.message}`
    return error
  } finally {
    // also after a reason that is none: the limit is the whole process's
    Reflect.set(Error, "stackTraceLimit", limit)
  }
}

/**
 * Fails with `InvalidOption`: `field` names the option, `problem` says what is allowed.
 *
 * @category constructors
 * @since 0.1.0
 */
export const invalidOption = (field: string, problem: string): Effect.Effect<never, QuicError> =>
  Effect.fail(quicError(new InvalidOption({ field, problem })))

const badCode = invalidOption("code", "an integer from 0 to 2^53-1")
const badReason = invalidOption("reason", "text")

/**
 * Runs `use` if `code` and `reason` can be sent in a CONNECTION_CLOSE or RESET_STREAM frame.
 *
 * **Details**
 *
 * `code` is an application error code, an integer from 0 to 2^53−1 (RFC 9000 §20.2); `reason` is a string. Fails with
 * `InvalidOption` otherwise.
 *
 * @category validation
 * @since 0.1.0
 */
export const withErrorCode = <A, E>(
  code: number,
  use: () => Effect.Effect<A, E>,
  reason = ""
): Effect.Effect<A, E | QuicError> =>
  Effect.suspend((): Effect.Effect<A, E | QuicError> => {
    if (!Number.isSafeInteger(code) || code < 0) return badCode
    return typeof reason === "string" ? use() : badReason
  })
