/** CertificateVerify: proves possession of the certificate's private key in this handshake. RFC 8446 §4.4.3 */
import type { Role } from "../wire/Role.ts"
import type { CertificateType, PeerCertificate } from "../capability/CertificateVerifier.ts"
import type { CryptoSuiteShape, SignatureScheme } from "../capability/CryptoSuite.ts"
import { certificateSpki } from "../internal/certificate.ts"
import { Alert, failure, isFailure, type TlsFailure } from "./alerts.ts"

import { readCertificateVerify, writeCertificate, writeCertificateVerify } from "./messages.ts"
import type { TlsIdentity } from "./TlsSession.ts"

/** 64 spaces, the context string, a zero, and the transcript hash. */
const signedContent = (signer: Role, transcript: Uint8Array): Uint8Array => {
  const context = `TLS 1.3, ${signer} CertificateVerify`
  const content = new Uint8Array(64 + context.length + 1 + transcript.length).fill(0x20, 0, 64)
  for (let i = 0; i < context.length; i++) content[64 + i] = context.charCodeAt(i)
  content.set(transcript, 64 + context.length + 1)
  return content
}

/** Selects a scheme that our key supports and the peer accepts. */
export const chooseScheme = (
  identity: TlsIdentity,
  offered: ReadonlyArray<number>
): SignatureScheme | undefined => identity.key.schemes.find((scheme) => offered.includes(scheme))

/** The body of Certificate for an identity; empty chain if undefined. */
export const certificateMessage = (identity: TlsIdentity | undefined): Uint8Array =>
  writeCertificate(identity?.chain ?? [])

export const signedMessage = (
  identity: TlsIdentity,
  scheme: SignatureScheme,
  signer: Role,
  transcript: Uint8Array
): Uint8Array => writeCertificateVerify(scheme, identity.key.sign(scheme, signedContent(signer, transcript)))

/** The peer as described by its Certificate message. */
export const peerOf = (
  chain: ReadonlyArray<Uint8Array>,
  kind: CertificateType
): PeerCertificate | TlsFailure => {
  if (kind === "x509") return { _tag: kind, chain }
  // RFC 7250 §3: exactly one entry, the key
  return chain.length === 1
    ? { _tag: kind, spki: chain[0] }
    : failure(Alert.bad_certificate, "a raw public key must be the only certificate entry")
}

/** Verifies the signature; returns its scheme. */
export const verifySigned = (
  suite: CryptoSuiteShape,
  message: Uint8Array,
  peer: PeerCertificate,
  signer: Role,
  transcript: Uint8Array
): { readonly scheme: number } | TlsFailure => {
  const verify = readCertificateVerify(message)
  if (isFailure(verify)) return verify
  const scheme = suite.signatureSchemes.find((known) => known === verify.scheme)
  // RFC 8446 §4.4.3: one of those offered in signature_algorithms
  if (scheme === undefined)
    return failure(
      Alert.illegal_parameter,
      `signed with scheme 0x${verify.scheme.toString(16)}, which was not offered`
    )
  const spki = peer._tag === "rawPublicKey" ? peer.spki : certificateSpki(peer.chain[0])
  if (spki === undefined) return failure(Alert.bad_certificate, "the peer's certificate is malformed")
  return suite.verify(scheme, spki, signedContent(signer, transcript), verify.signature)
    ? { scheme }
    : failure(Alert.decrypt_error, "the peer's CertificateVerify signature is invalid")
}
