/** Why a QUIC operation failed: one tagged class for each case of `QuicErrorReason`. */
import * as Schema from "effect/Schema"
import { alertText } from "./handshake/alerts.ts"
import { versionName } from "./wire/PacketType.ts"
import { transportErrorName } from "./wire/TransportError.ts"

/**
 * An option or argument is outside its range.
 *
 * **Details**
 *
 * `field` is the path of the option, such as `transport.maxIdleTimeout`; `problem` says what is allowed.
 * Options are checked before anything is bound or sent.
 *
 * @category reasons
 * @since 0.1.0
 */
export class InvalidOption extends Schema.TaggedError<InvalidOption>()("InvalidOption", {
  /** Path of the option, such as `transport.maxIdleTimeout`. */
  field: Schema.String,
  /** What is allowed. */
  problem: Schema.String
}) {
  override get message(): string {
    return `${this.field}: ${this.problem}`
  }
}

/**
 * The UDP socket could not be bound.
 *
 * **Details**
 *
 * Fails `QuicEndpoint.make`, `rebind` and `migrate`. `problem` is the complete message, address included.
 *
 * @category reasons
 * @since 0.1.0
 */
export class BindFailed extends Schema.TaggedError<BindFailed>()("BindFailed", {
  /** The address, as logs show it: `192.0.2.1:4433`. */
  address: Schema.String,
  /** The complete message, address included. */
  problem: Schema.String
}) {
  override get message(): string {
    return this.problem
  }
}

/**
 * A shard of a `ShardedEndpoint` has ended, or could not start.
 *
 * **Details**
 *
 * `shard` is its number, from 0; `problem` what its program or its thread failed with.
 *
 * @category reasons
 * @since 0.1.0
 */
export class ShardFailed extends Schema.TaggedError<ShardFailed>()("ShardFailed", {
  /** Number of the shard, from 0. */
  shard: Schema.Number,
  /** What its program or its thread failed with. */
  problem: Schema.String
}) {
  override get message(): string {
    return `shard ${this.shard}: ${this.problem}`
  }
}

const origin = Schema.Literals(["local", "peer"])

/**
 * The TLS handshake was refused by either side.
 *
 * **Details**
 *
 * `alert` is the TLS alert (RFC 8446 §6.2), 0 to 255; `origin` is the side that sent it. A certificate that the
 * `CertificateVerifier` rejects ends here. RFC 9001 §4.8
 *
 * @category reasons
 * @since 0.1.0
 */
export class HandshakeRefused extends Schema.TaggedError<HandshakeRefused>()("HandshakeRefused", {
  /** The side that sent the alert. */
  origin,
  /** TLS alert, 0 to 255. RFC 8446 §6.2 */
  alert: Schema.Number,
  /** What is wrong, in words for people. */
  problem: Schema.String
}) {
  override get message(): string {
    return `handshake refused by ${this.origin === "local" ? "this side" : "the peer"} (TLS alert ${alertText(this.alert)}): ${this.problem}`
  }
}

/**
 * The connection was closed with an application error code.
 *
 * **Details**
 *
 * `code` is what was passed to `close`, 0 for an ordinary end; `origin` is the side that closed. CONNECTION_CLOSE of
 * type 0x1d, RFC 9000 §19.19
 *
 * @category reasons
 * @since 0.1.0
 */
export class ApplicationClosed extends Schema.TaggedError<ApplicationClosed>()("ApplicationClosed", {
  /** The side that closed. */
  origin,
  /** What was passed to `close`, 0 for an ordinary end. */
  code: Schema.Number,
  /** The reason that was passed to `close`, made printable. */
  problem: Schema.String
}) {
  override get message(): string {
    return `closed by ${this.origin === "local" ? "this side" : "the peer"} with code ${this.code}${this.problem && `: ${this.problem}`}`
  }
}

/**
 * The connection was closed with a transport error code.
 *
 * **Details**
 *
 * `code` is listed in RFC 9000 §20.1; `frameType` is the frame that caused the error, 0 when unknown. A server that
 * refuses a client uses CONNECTION_REFUSED (0x02); a defect in a handler closes with INTERNAL_ERROR (0x01).
 *
 * @category reasons
 * @since 0.1.0
 */
export class TransportClosed extends Schema.TaggedError<TransportClosed>()("TransportClosed", {
  /** The side that closed. */
  origin,
  /** Transport error code. RFC 9000 §20.1 */
  code: Schema.Number,
  /** Type of the frame that caused the error, 0 when unknown. */
  frameType: Schema.Number,
  /** What is wrong, in words for people. */
  problem: Schema.String
}) {
  override get message(): string {
    const by = this.origin === "local" ? "this side" : "the peer"
    return `${transportErrorName(this.code)} by ${by}${this.problem && `: ${this.problem}`}`
  }
}

/**
 * The peer was silent for the idle timeout.
 *
 * **Details**
 *
 * The timeout is the smaller `maxIdleTimeout` of both sides. RFC 9000 §10.1
 *
 * @category reasons
 * @since 0.1.0
 */
export class IdleTimeout extends Schema.TaggedError<IdleTimeout>()("IdleTimeout", {}) {
  override get message(): string {
    return "the peer has been silent for the idle timeout"
  }
}

/**
 * The handshake did not complete within `handshakeTimeout`.
 *
 * **Details**
 *
 * `waitingFor` says whose silence it was: that of the `"peer"`, perhaps because nothing is listening at `address`, or of
 * the `"verifier"`: the `CertificateVerifier` has not answered. `socketError` is the last error the system reported for
 * the address, if any; `discarded` summarizes the packets that arrived but could not be used, if any.
 *
 * @category reasons
 * @since 0.1.0
 */
export class HandshakeTimeout extends Schema.TaggedError<HandshakeTimeout>()("HandshakeTimeout", {
  /** The address, as logs show it: `192.0.2.1:4433`. */
  address: Schema.String,
  /** Whose silence it was. */
  waitingFor: Schema.Literals(["peer", "verifier"]),
  /** The last error the system reported for the address. */
  socketError: Schema.optionalKey(Schema.String),
  /** Summary of the packets that arrived but could not be used. */
  discarded: Schema.optionalKey(Schema.String)
}) {
  override get message(): string {
    if (this.waitingFor === "verifier")
      return `no handshake with ${this.address} in time: the CertificateVerifier gave no verdict`
    const hint =
      this.discarded !== undefined
        ? `discarded packets: ${this.discarded}`
        : this.socketError === undefined
          ? "is a QUIC server listening there?"
          : `last socket error: ${this.socketError}`
    return `no handshake with ${this.address} in time; ${hint}`
  }
}

/**
 * The peer has lost the state of the connection, for instance in a restart.
 *
 * **Details**
 *
 * RFC 9000 §10.3
 *
 * @category reasons
 * @since 0.1.0
 */
export class StatelessReset extends Schema.TaggedError<StatelessReset>()("StatelessReset", {}) {
  override get message(): string {
    return "the peer no longer knows this connection (stateless reset)"
  }
}

/**
 * The server supports none of the versions this client offers.
 *
 * **Details**
 *
 * `offered` lists the server's versions. RFC 9000 §6, RFC 9368
 *
 * @category reasons
 * @since 0.1.0
 */
export class VersionMismatch extends Schema.TaggedError<VersionMismatch>()("VersionMismatch", {
  /** The server's versions. */
  offered: Schema.Array(Schema.Number)
}) {
  override get message(): string {
    const shown = this.offered.slice(0, 16).map(versionName)
    const more = this.offered.length > shown.length ? ", …" : ""
    return `no QUIC version in common; the server offers ${shown.join(", ")}${more}`
  }
}

/**
 * The endpoint has been closed.
 *
 * @category reasons
 * @since 0.1.0
 */
export class EndpointClosed extends Schema.TaggedError<EndpointClosed>()("EndpointClosed", {}) {
  override get message(): string {
    return "the endpoint is closed"
  }
}

/**
 * The connection could not move to another local address and stays where it is.
 *
 * **Details**
 *
 * RFC 9000 §9. `outcome`:
 *
 * - `TimedOut`: the peer did not answer over the new path
 * - `Superseded`: another move took its place
 * - `Disabled`: the server forbids it
 * - `NotClient`: only clients migrate
 * - `Unreachable`: the system does not send from there to the peer
 *
 * @category reasons
 * @since 0.1.0
 */
export class MigrationFailed extends Schema.TaggedError<MigrationFailed>()("MigrationFailed", {
  /** What has happened; see above. */
  outcome: Schema.Literals(["TimedOut", "Superseded", "Disabled", "NotClient", "Unreachable"]),
  /** What is wrong, in words for people. */
  problem: Schema.String
}) {
  override get message(): string {
    return `the connection stays where it is: ${this.problem}`
  }
}

/**
 * The `Peer` is closed for good.
 *
 * **Details**
 *
 * `problem` says who closed it, or the failure it gave up on.
 *
 * @category reasons
 * @since 0.1.0
 */
export class PeerClosed extends Schema.TaggedError<PeerClosed>()("PeerClosed", {
  /** Name of the peer, as its options say. */
  name: Schema.String,
  /** What is wrong, in words for people. */
  problem: Schema.String
}) {
  override get message(): string {
    return `the peer ${this.name} is closed: ${this.problem}`
  }
}

/**
 * `maxWaiting` operations already wait for a connection to the `Peer`.
 *
 * @category reasons
 * @since 0.1.0
 */
export class PeerBusy extends Schema.TaggedError<PeerBusy>()("PeerBusy", {
  /** Name of the peer, as its options say. */
  name: Schema.String,
  /** Operations that may wait at a time. */
  maxWaiting: Schema.Number
}) {
  override get message(): string {
    return `${this.maxWaiting} operations already wait for a connection to ${this.name}`
  }
}
