/**
 * Decides whether the peer is who it should be.
 *
 * The handshake first proves that the peer holds the private key of its certificate or raw public key, then waits for
 * this verdict; no application data moves before it. Verifiers take the time from Effect's `Clock`, so certificates
 * expire under virtual time too.
 *
 * Before a session is resumed, the verifier is asked about the peer of that session: by a client before it sends
 * anything, by a server before it answers. A rejection then costs the ticket and 0-RTT, and a full handshake follows,
 * which asks again.
 *
 * `NodeCertificateVerifier` in `effect-quic/layers/node` checks X.509 certificates, `Trust` raw public keys.
 *
 * @since 0.1.0
 */
import type { Role } from "../wire/Role.ts"
import * as Context from "effect/Context"
import type * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"

/**
 * Certificate types that can be negotiated. RFC 7250 §3, RFC 8446 §4.4.2
 *
 * @category models
 * @since 0.1.0
 */
export type CertificateType = "x509" | "rawPublicKey"

/**
 * What the peer authenticated with: an X.509 chain or a raw public key.
 *
 * @category models
 * @since 0.1.0
 */
export type PeerCertificate =
  | {
      /** A certificate chain. */
      readonly _tag: "x509"
      /** DER certificates as the peer sent them, its own first. */
      readonly chain: ReadonlyArray<Uint8Array>
    }
  | {
      /** A key alone. RFC 7250 */
      readonly _tag: "rawPublicKey"
      /** DER SubjectPublicKeyInfo. */
      readonly spki: Uint8Array
    }

/**
 * What a verifier is asked about.
 *
 * @category models
 * @since 0.1.0
 */
export interface VerifyRequest {
  /** The certificate or key the peer has proved to hold. */
  readonly peer: PeerCertificate
  /** Role of the peer being verified: `"server"` on a client. */
  readonly role: Role
  /** Host name or IP literal the client meant to reach. Undefined on a server, where no name is checked. */
  readonly serverName: string | undefined
}

/**
 * TLS alerts that say why a certificate is rejected. RFC 8446 §6.2
 *
 * @category constants
 * @since 0.1.0
 */
export const CertificateAlert = {
  /** It is malformed, or its signature is wrong. */
  badCertificate: 42,
  /** A kind that is not supported. */
  unsupportedCertificate: 43,
  /** Its issuer has withdrawn it. */
  certificateRevoked: 44,
  /** It is not valid now. */
  certificateExpired: 45,
  /** Anything else. */
  certificateUnknown: 46,
  /** Nobody that is trusted has issued it. */
  unknownCa: 48,
  /** It is valid, and its holder may not come in. */
  accessDenied: 49
} as const

/**
 * The number of a certificate alert.
 *
 * @category models
 * @since 0.1.0
 */
export type CertificateAlert = (typeof CertificateAlert)[keyof typeof CertificateAlert]

/**
 * The peer was rejected. The peer receives `alert`; `reason` is for people.
 *
 * **Details**
 *
 * A rejection ends the handshake: `connect` fails with `HandshakeRefused`, whose `problem` is the reason.
 *
 * @category errors
 * @since 0.1.0
 */
export class CertificateRejected extends Schema.TaggedError<CertificateRejected>()("CertificateRejected", {
  /** TLS alert number, see {@link CertificateAlert}. */
  alert: Schema.Int,
  /** For example `certificate for example.org is not valid for localhost`. */
  reason: Schema.String
}) {
  override get message(): string {
    return this.reason
  }
}

/**
 * Judges peers.
 *
 * @category models
 * @since 0.1.0
 */
export interface CertificateVerifierShape {
  /** Certificate types this verifier can accept, preferred first; offered in the handshake. */
  readonly certificateTypes: ReadonlyArray<CertificateType>
  /**
   * Succeeds if the peer is accepted, fails with `CertificateRejected` otherwise.
   *
   * An implementation must not die on hostile input: anything it cannot parse is rejected with `bad_certificate`. It is
   * interrupted if the handshake ends first, and must then leave nothing behind.
   */
  readonly verify: (request: VerifyRequest) => Effect.Effect<void, CertificateRejected>
}

/**
 * The service that decides which peers are accepted.
 *
 * **Example** (Accepting raw public keys that are in a database)
 *
 * ```ts
 * import { Layer } from "effect"
 * import { CertificateVerifier, type PeerId, Trust } from "effect-quic"
 *
 * const layerMembers = (members: ReadonlySet<PeerId.PeerId>) =>
 *   Layer.succeed(CertificateVerifier, Trust.rawKeysWhere((peerId) => members.has(peerId)))
 * ```
 *
 * @category services
 * @since 0.1.0
 */
export class CertificateVerifier extends Context.Service<CertificateVerifier, CertificateVerifierShape>()(
  "effect-quic/capability/CertificateVerifier"
) {}
