/**
 * The cryptography the transport needs, as one synchronous seam.
 *
 * The core knows only these shapes; `layers/node` fills them from `node:crypto`, `layers/noble` from
 * `@noble/ciphers`, `@noble/curves` and `@noble/hashes`. Both pass test/protect/cryptoSuite.compliance.ts.
 */
import * as Context from "effect/Context"
import type { RandomBytes } from "../internal/RandomBytes.ts"

/** AEADs of TLS 1.3 that QUIC uses. RFC 9001 §5.3 */
export type AeadAlgorithm = "aes-128-gcm" | "aes-256-gcm" | "chacha20-poly1305"

export type HashAlgorithm = "sha256" | "sha384" | "sha512"

/** TLS NamedGroup codepoints. RFC 8446 §4.2.7, RFC 10024 */
export const NamedGroup = {
  secp256r1: 0x0017,
  secp384r1: 0x0018,
  x25519: 0x001d,
  x25519MlKem768: 0x11ec
} as const
export type NamedGroup = (typeof NamedGroup)[keyof typeof NamedGroup]

/** TLS SignatureScheme codepoints this stack verifies. RFC 8446 §4.2.3 */
export const SignatureScheme = {
  ecdsa_secp256r1_sha256: 0x0403,
  ecdsa_secp384r1_sha384: 0x0503,
  rsa_pss_rsae_sha256: 0x0804,
  rsa_pss_rsae_sha384: 0x0805,
  rsa_pss_rsae_sha512: 0x0806,
  ed25519: 0x0807
} as const
export type SignatureScheme = (typeof SignatureScheme)[keyof typeof SignatureScheme]

/** One AEAD key. The tag is always 16 bytes. */
export interface AeadKey {
  /**
   * Encrypts `buffer[payloadStart, payloadEnd)` in place and writes the tag at `payloadEnd`.
   * The associated data is `buffer[aadStart, payloadStart)`. `nonce` is 12 bytes.
   */
  seal(
    nonce: Uint8Array,
    buffer: Uint8Array,
    aadStart: number,
    payloadStart: number,
    payloadEnd: number
  ): void
  /**
   * Verifies and decrypts `buffer[payloadStart, sealedEnd)`, the last 16 bytes of which are the tag, in place.
   * Returns false, with `buffer` unchanged, when the tag does not verify or there is no room for one.
   */
  open(
    nonce: Uint8Array,
    buffer: Uint8Array,
    aadStart: number,
    payloadStart: number,
    sealedEnd: number
  ): boolean
}

/** One header-protection key. RFC 9001 §5.4 */
export interface HeaderKey {
  /** Writes the first five mask bytes for the 16-byte sample at `buffer[offset]` into `mask`. */
  mask(buffer: Uint8Array, offset: number, mask: Uint8Array): void
}

/** A running hash whose digest can be read at any point without ending it. */
export interface RunningHash {
  update(data: Uint8Array): void
  digest(): Uint8Array
}

/** Our half of a key agreement. */
export interface KeyShare {
  readonly group: NamedGroup
  /** What goes into the key_share extension. */
  readonly publicKey: Uint8Array
  /** The shared secret, or undefined when the peer's share is invalid (bad point, bad length, all-zero result). */
  agree(peerShare: Uint8Array): Uint8Array | undefined
}

/** A private key that can sign CertificateVerify. */
export interface SigningKey {
  /** DER SubjectPublicKeyInfo of the matching public key. */
  readonly spki: Uint8Array
  /** The schemes this key can sign with, best first. */
  readonly schemes: ReadonlyArray<SignatureScheme>
  sign(scheme: SignatureScheme, data: Uint8Array): Uint8Array
}

export type { RandomBytes }

export interface CryptoSuiteShape {
  /** `node` or `noble`, for people. */
  readonly name: string
  /** Groups this suite can do, best first. */
  readonly groups: ReadonlyArray<NamedGroup>
  /** Schemes this suite can verify, best first. */
  readonly signatureSchemes: ReadonlyArray<SignatureScheme>
  aead(algorithm: AeadAlgorithm, key: Uint8Array): AeadKey
  headerProtection(algorithm: AeadAlgorithm, key: Uint8Array): HeaderKey
  hash(algorithm: HashAlgorithm, data: Uint8Array): Uint8Array
  runningHash(algorithm: HashAlgorithm): RunningHash
  hmac(algorithm: HashAlgorithm, key: Uint8Array, data: Uint8Array): Uint8Array
  /** A fresh key pair; all randomness comes from `random`. */
  keyShare(group: NamedGroup, random: RandomBytes): KeyShare
  /**
   * The server's answer to a client's share: its own share and the secret (encapsulation, for a KEM), or undefined
   * when the client's share is invalid. All randomness comes from `random`.
   */
  respond(
    group: NamedGroup,
    clientShare: Uint8Array,
    random: RandomBytes
  ): { readonly publicKey: Uint8Array; readonly secret: Uint8Array } | undefined
  /** A PKCS #8 DER private key (Ed25519, P-256, P-384, RSA), or undefined when it is none of these. */
  signingKey(pkcs8: Uint8Array): SigningKey | undefined
  /** A fresh key; Ed25519 and P-256 only. Returns PKCS #8 DER. */
  generateSigningKey(kind: "ed25519" | "p256", random: RandomBytes): Uint8Array
  /** Verifies a signature against a DER SubjectPublicKeyInfo; false for any malformed input or key of the wrong kind. */
  verify(scheme: SignatureScheme, spki: Uint8Array, data: Uint8Array, signature: Uint8Array): boolean
  /** Compares secrets without telling where they differ. Different lengths are unequal. */
  equal(a: Uint8Array, b: Uint8Array): boolean
}

/** The cryptography a transport runs on. */
export class CryptoSuite extends Context.Service<CryptoSuite, CryptoSuiteShape>()(
  "effect-quic/capability/CryptoSuite"
) {}
