/**
 * The one error of the public API. Match on `reason`:
 *
 * ```ts
 * connection.openBidi.pipe(
 *   Effect.catchReason("QuicError", "IdleTimeout", () => reconnect)
 * )
 * ```
 */
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { transportErrorName } from "./wire/TransportError.ts"

/** An option is outside its range; `field` names it, `problem` says what is allowed. */
export class InvalidOption extends Schema.TaggedError<InvalidOption>()("InvalidOption", {
  field: Schema.String,
  problem: Schema.String
}) {
  override get message(): string {
    return `${this.field}: ${this.problem}`
  }
}

/** The UDP socket could not be opened; `problem` is the whole story, address included. */
export class BindFailed extends Schema.TaggedError<BindFailed>()("BindFailed", {
  address: Schema.String,
  problem: Schema.String
}) {
  override get message(): string {
    return this.problem
  }
}

/** A host name has no address. */
export class ResolveFailed extends Schema.TaggedError<ResolveFailed>()("ResolveFailed", {
  host: Schema.String,
  problem: Schema.String
}) {
  override get message(): string {
    return `cannot resolve ${this.host}: ${this.problem}`
  }
}

/** Nothing can be sent to that address, which was found out at once: by looking at it, or from the system. */
export class Unreachable extends Schema.TaggedError<Unreachable>()("Unreachable", {
  address: Schema.String,
  problem: Schema.String
}) {
  override get message(): string {
    return `cannot reach ${this.address}: ${this.problem}`
  }
}

const origin = Schema.Literals(["local", "peer"])

/**
 * The TLS handshake was refused. `alert` is the TLS alert (RFC 8446 §6.2), `origin` the side that refused.
 */
export class HandshakeRefused extends Schema.TaggedError<HandshakeRefused>()("HandshakeRefused", {
  origin,
  alert: Schema.Number,
  problem: Schema.String
}) {
  override get message(): string {
    return `handshake refused by ${this.origin === "local" ? "this side" : "the peer"} (TLS alert ${this.alert}): ${this.problem}`
  }
}

/** CONNECTION_CLOSE with an application code (RFC 9000 §19.19, type 0x1d). */
export class ApplicationClosed extends Schema.TaggedError<ApplicationClosed>()("ApplicationClosed", {
  origin,
  code: Schema.Number,
  problem: Schema.String
}) {
  override get message(): string {
    return `closed by ${this.origin === "local" ? "this side" : "the peer"} with code ${this.code}${this.problem && `: ${this.problem}`}`
  }
}

/** CONNECTION_CLOSE with a transport code (RFC 9000 §20.1). */
export class TransportClosed extends Schema.TaggedError<TransportClosed>()("TransportClosed", {
  origin,
  code: Schema.Number,
  frameType: Schema.Number,
  problem: Schema.String
}) {
  override get message(): string {
    const by = this.origin === "local" ? "this side" : "the peer"
    return `${transportErrorName(this.code)} by ${by}${this.problem && `: ${this.problem}`}`
  }
}

/** Nothing was heard from the peer for the idle timeout (RFC 9000 §10.1). */
export class IdleTimeout extends Schema.TaggedError<IdleTimeout>()("IdleTimeout", {}) {
  override get message(): string {
    return "the peer has been silent for the idle timeout"
  }
}

/**
 * The handshake did not complete in time; nobody may be listening there. `socketError` is the last thing the system had
 * against sending there, if it had anything; `discarded` is what came and could not be taken, if anything did.
 */
export class HandshakeTimeout extends Schema.TaggedError<HandshakeTimeout>()("HandshakeTimeout", {
  address: Schema.String,
  socketError: Schema.optionalKey(Schema.String),
  discarded: Schema.optionalKey(Schema.String)
}) {
  override get message(): string {
    const hint =
      this.discarded !== undefined
        ? `discarded were ${this.discarded}`
        : this.socketError === undefined
          ? "is a QUIC server listening there?"
          : `what the socket last said: ${this.socketError}`
    return `no handshake with ${this.address} in time; ${hint}`
  }
}

/** The peer lost the connection's state, by restart for instance (RFC 9000 §10.3). */
export class StatelessReset extends Schema.TaggedError<StatelessReset>()("StatelessReset", {}) {
  override get message(): string {
    return "the peer no longer knows this connection (stateless reset)"
  }
}

/** The server speaks none of our versions (RFC 9000 §6). */
export class VersionMismatch extends Schema.TaggedError<VersionMismatch>()("VersionMismatch", {
  offered: Schema.Array(Schema.Number)
}) {
  override get message(): string {
    const shown = this.offered.slice(0, 16).map((version) => `0x${version.toString(16)}`)
    const more = this.offered.length > shown.length ? ", …" : ""
    return `no QUIC version in common; the server offers ${shown.join(", ")}${more}`
  }
}

/** The endpoint this was part of has been closed. */
export class EndpointClosed extends Schema.TaggedError<EndpointClosed>()("EndpointClosed", {}) {
  override get message(): string {
    return "the endpoint is closed"
  }
}

/** The peer reset the sending side of the stream with an application code (RFC 9000 §19.4). */
export class StreamReset extends Schema.TaggedError<StreamReset>()("StreamReset", {
  streamId: Schema.Number,
  code: Schema.Number
}) {
  override get message(): string {
    return `the peer reset stream ${this.streamId} with code ${this.code}`
  }
}

/** The peer asked us to stop sending on the stream (RFC 9000 §19.5). */
export class StreamStopped extends Schema.TaggedError<StreamStopped>()("StreamStopped", {
  streamId: Schema.Number,
  code: Schema.Number
}) {
  override get message(): string {
    return `the peer stopped stream ${this.streamId} with code ${this.code}`
  }
}

/** This side has already finished, reset or stopped that half of the stream, or it has no such half. */
export class StreamClosed extends Schema.TaggedError<StreamClosed>()("StreamClosed", {
  streamId: Schema.Number,
  problem: Schema.String
}) {
  override get message(): string {
    return `stream ${this.streamId}: ${this.problem}`
  }
}

/** The peer knows no reset that still delivers something; the stream is as it was. */
export class ResetRefused extends Schema.TaggedError<ResetRefused>()("ResetRefused", {
  streamId: Schema.Number
}) {
  override get message(): string {
    return `stream ${this.streamId}: the peer knows no reset that delivers the stream's beginning (RESET_STREAM_AT)`
  }
}

/** The datagram cannot be sent: too large for the path, or the peer takes none (RFC 9221 §3). */
export class DatagramRefused extends Schema.TaggedError<DatagramRefused>()("DatagramRefused", {
  problem: Schema.String
}) {
  override get message(): string {
    return this.problem
  }
}

/** The connection stays where it is (RFC 9000 §9). */
export class MigrationFailed extends Schema.TaggedError<MigrationFailed>()("MigrationFailed", {
  problem: Schema.String
}) {
  override get message(): string {
    return `the connection stays where it is: ${this.problem}`
  }
}

/** The peer is closed for good; `problem` says who closed it, or what it gave up over. */
export class PeerClosed extends Schema.TaggedError<PeerClosed>()("PeerClosed", {
  name: Schema.String,
  problem: Schema.String
}) {
  override get message(): string {
    return `the peer ${this.name} is closed: ${this.problem}`
  }
}

/** As many operations as `maxWaiting` allows wait for a connection to the peer already. */
export class PeerBusy extends Schema.TaggedError<PeerBusy>()("PeerBusy", {
  name: Schema.String,
  maxWaiting: Schema.Number
}) {
  override get message(): string {
    return `${this.maxWaiting} operations wait for a connection to ${this.name} already`
  }
}

/** Every way a QUIC operation can fail. */
export const QuicErrorReason = Schema.Union([
  InvalidOption,
  BindFailed,
  ResolveFailed,
  Unreachable,
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
  ResetRefused,
  DatagramRefused,
  MigrationFailed,
  PeerClosed,
  PeerBusy
])
export type QuicErrorReason = typeof QuicErrorReason.Type

/** What every operation of this package fails with; `reason` says what happened. */
export class QuicError extends Schema.TaggedError<QuicError>()("QuicError", { reason: QuicErrorReason }) {
  override get message(): string {
    return this.reason.message
  }
}

/** Shorthand used throughout: `fail(new IdleTimeout())`. */
export const quicError = (reason: QuicErrorReason): QuicError => new QuicError({ reason })

/** Fails with `InvalidOption`. */
export const invalidOption = (field: string, problem: string): Effect.Effect<never, QuicError> =>
  Effect.fail(quicError(new InvalidOption({ field, problem })))

const badCode = invalidOption("code", "an integer from 0 to 2^53-1")
const badReason = invalidOption("reason", "text")

/**
 * Runs `use` when `code` is an application error code this package can carry, an integer from 0 to 2^53−1, and `reason`
 * is text.
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
