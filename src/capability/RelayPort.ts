/**
 * Relays: how a peer is reached where UDP does not get through, and before anything better is known.
 *
 * `effect-quic/layers/node` implements it with WebSockets, `effect-quic/layers/sim` with a simulated relay.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import type * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import type { CertificateVerifierShape } from "./CertificateVerifier.ts"
import type { EcnCodepoint } from "./UdpPort.ts"

/**
 * No link to a relay could be made.
 *
 * **Details**
 *
 * `Denied`: the relay does not let this key in, and will not when asked again. `Unreachable`: it does not answer, or its
 * certificate is not trusted. `Protocol`: what answers is no relay that speaks `iroh-relay-v2`.
 *
 * @category errors
 * @since 0.1.0
 */
export class RelayError extends Schema.TaggedError<RelayError>("effect-quic/capability/RelayError")(
  "RelayError",
  {
    /** What kind of problem. */
    reason: Schema.Literals(["Denied", "Unreachable", "Protocol"]),
    /** The relay. */
    url: Schema.String,
    /** For people; what the relay said in it is printable. */
    message: Schema.String
  }
) {}

/**
 * Why a link has ended.
 *
 * **Details**
 *
 * - `Restarting`: the relay goes away and says when to come back: after `reconnectInMillis`, and how long to try then
 * - `Replaced`: another connection has authenticated with the same key; one that reconnected at once would take it back,
 *   and so on for ever
 * - `Denied`: the relay does not let this key in any more
 * - `Lost`: the connection broke; `problem` says how
 *
 * @category models
 * @since 0.1.0
 */
export type RelayClosed =
  | {
      /** The relay goes away for a while. */
      readonly _tag: "Restarting"
      /** When to come back. */
      readonly reconnectInMillis: number
      /** How long to try then. */
      readonly tryForMillis: number
    }
  | {
      /** Another connection has this key. */
      readonly _tag: "Replaced"
    }
  | {
      /** The relay does not want it. */
      readonly _tag: "Denied"
      /** What the relay says, printable. */
      readonly problem: string
    }
  | {
      /** The connection broke. */
      readonly _tag: "Lost"
      /** How it broke. */
      readonly problem: string
    }

/**
 * Counts since the link was made.
 *
 * @category models
 * @since 0.1.0
 */
export interface RelayLinkCounters {
  /** Datagrams given to the relay. */
  readonly sent: number
  /** Datagrams received through the relay. */
  readonly received: number
  /** Bytes of the datagrams sent. */
  readonly sentBytes: number
  /** Bytes of the datagrams received. */
  readonly receivedBytes: number
  /** Not sent: too much was waiting, the link had ended, or the datagram was larger than a relay takes. */
  readonly sendDropped: number
}

/**
 * What a link tells who uses it. Called synchronously; must be cheap and must not throw.
 *
 * @category models
 * @since 0.1.0
 */
export interface RelayLinkListener {
  /** A datagram, lent for the call: `from` is the Ed25519 key of the sender, 32 bytes, which the relay vouches for. */
  onDatagram(from: Uint8Array, ecn: EcnCodepoint, bytes: Uint8Array): void
  /** A peer that has sent to this one has left the relay. */
  onGone(key: Uint8Array): void
  /** `congested` has turned false. */
  onWritable(): void
}

/**
 * An authenticated connection to one relay.
 *
 * @category models
 * @since 0.1.0
 */
export interface RelayLink {
  /** The relay, as given to `connect`. */
  readonly url: string
  /**
   * Sends `buffer[start, end)` to the holder of the key `to`, 32 bytes; the bytes are taken before it returns.
   *
   * Never throws: what cannot be sent is counted and dropped, as a network would.
   */
  send(to: Uint8Array, ecn: EcnCodepoint, buffer: Uint8Array, start: number, end: number): void
  /** Sets the only listener. Datagrams that came before are passed to it at once. */
  listen(listener: RelayLinkListener): void
  /** The relay is slower than what is sent to it: stop until `onWritable`. */
  readonly congested: boolean
  /** Round trip to the relay, as last measured; undefined before that. */
  readonly rttMillis: number | undefined
  /** What was sent, received and dropped. */
  readonly counters: RelayLinkCounters
  /** Waits until the link has ended, and says why. It ends with its scope too, and is `Lost` then. */
  readonly closed: Effect.Effect<RelayClosed>
}

/**
 * What a link authenticates with.
 *
 * @category options
 * @since 0.1.0
 */
export interface RelayIdentity {
  /** Ed25519 public key, 32 bytes. */
  readonly publicKey: Uint8Array
  /** The Ed25519 signature of a message, 64 bytes. */
  sign(message: Uint8Array): Uint8Array
}

/**
 * Reaches relays.
 *
 * @category models
 * @since 0.1.0
 */
export interface RelayPortShape {
  /**
   * Connects to the relay at `url` and authenticates; the link ends with its scope. Does not try again by itself.
   *
   * Fails with `RelayError`. **Interruption**: leaves no connection.
   */
  connect(url: string, identity: RelayIdentity): Effect.Effect<RelayLink, RelayError, Scope.Scope>
  /**
   * Who is taken for the relay at `url` where its host answers address discovery over QUIC: whoever `connect` would trust.
   * Default: the `CertificateVerifier` of the endpoint decides.
   */
  discoveryVerifier?(url: string): Effect.Effect<CertificateVerifierShape>
}

/**
 * The service that reaches relays.
 *
 * @category services
 * @since 0.1.0
 */
export class RelayPort extends Context.Service<RelayPort, RelayPortShape>()(
  "effect-quic/capability/RelayPort"
) {}
