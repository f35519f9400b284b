/**
 * Decides whether the other side is who we meant to talk to.
 *
 * The handshake has already proved that the peer holds the private key of the leaf certificate (or of the raw public
 * key); it then waits for this verdict, and not one byte of application data moves before it is in. Verifiers take the
 * time from Effect's `Clock`, so certificates expire under virtual time too.
 *
 * Before a session is resumed the verifier is asked about the peer of that session: by a client before it sends anything,
 * by a server before it answers. A refusal then costs the ticket and 0-RTT; a full handshake follows, which asks again.
 *
 * `layers/node/NodeCertificateVerifier.ts` fills this seam: system roots, given CAs, pinned keys, known raw public keys.
 */
import type { Role } from "../wire/Role.ts"
import * as Context from "effect/Context"
import type * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"

/** Certificate types that can be negotiated. RFC 7250 §3, RFC 8446 §4.4.2 */
export type CertificateType = "x509" | "rawPublicKey"

/** What the peer authenticated with. */
export type PeerCertificate =
  | {
      readonly _tag: "x509"
      /** DER certificates in the order the peer sent them: its own first. */
      readonly chain: ReadonlyArray<Uint8Array>
    }
  | {
      readonly _tag: "rawPublicKey"
      /** DER SubjectPublicKeyInfo. */
      readonly spki: Uint8Array
    }

export interface VerifyRequest {
  readonly peer: PeerCertificate
  /** The role of the peer that is being verified: `"server"` when we are the client. */
  readonly role: Role
  /**
   * The host name or IP literal we meant to reach. Undefined when there is none, as when a server verifies a client:
   * then no name is checked.
   */
  readonly serverName: string | undefined
}

/** TLS alerts that say what is wrong with a certificate. RFC 8446 §6.2 */
export const CertificateAlert = {
  badCertificate: 42,
  unsupportedCertificate: 43,
  certificateRevoked: 44,
  certificateExpired: 45,
  certificateUnknown: 46,
  unknownCa: 48,
  accessDenied: 49
} as const
export type CertificateAlert = (typeof CertificateAlert)[keyof typeof CertificateAlert]

/** The peer was not accepted. `alert` goes to the peer, `reason` to a person. */
export class CertificateRejected extends Schema.TaggedError<CertificateRejected>()("CertificateRejected", {
  /** A TLS alert number, see {@link CertificateAlert}. */
  alert: Schema.Int,
  /** For example `certificate for example.org is not valid for localhost`. */
  reason: Schema.String
}) {
  override get message(): string {
    return this.reason
  }
}

export interface CertificateVerifierShape {
  /** The certificate types this verifier can accept, preferred first: what the handshake offers to the peer. */
  readonly certificateTypes: ReadonlyArray<CertificateType>
  /**
   * Succeeds when the peer is accepted. Never dies on hostile input: what cannot be understood is a
   * `CertificateRejected` with `bad_certificate`. Interruptible; it changes nothing.
   */
  readonly verify: (request: VerifyRequest) => Effect.Effect<void, CertificateRejected>
}

/** Who is let in. */
export class CertificateVerifier extends Context.Service<CertificateVerifier, CertificateVerifierShape>()(
  "effect-quic/capability/CertificateVerifier"
) {}
