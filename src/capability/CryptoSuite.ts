/**
 * The cryptography the transport needs, as one synchronous service.
 *
 * The core depends only on these interfaces. `effect-quic/layers/node` implements them with `node:crypto`,
 * `effect-quic/layers/noble` in JavaScript.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import type { RandomBytes } from "../internal/RandomBytes.ts"

/**
 * AEADs of TLS 1.3 that QUIC uses. RFC 9001 §5.3
 *
 * @category models
 * @since 0.1.0
 */
export type AeadAlgorithm = "aes-128-gcm" | "aes-256-gcm" | "chacha20-poly1305"

/**
 * Hashes for the key schedule and signatures.
 *
 * @category models
 * @since 0.1.0
 */
export type HashAlgorithm = "sha256" | "sha384" | "sha512"

/**
 * TLS NamedGroup code points. RFC 8446 §4.2.7, RFC 10024
 *
 * @category constants
 * @since 0.1.0
 */
export const NamedGroup = {
  /** ECDH over P-256. */
  secp256r1: 0x0017,
  /** ECDH over P-384. */
  secp384r1: 0x0018,
  /** ECDH over Curve25519. RFC 7748 */
  x25519: 0x001d,
  /** X25519 and ML-KEM-768 together, against quantum computers. */
  x25519MlKem768: 0x11ec
} as const

/**
 * The code point of a key exchange group.
 *
 * @category models
 * @since 0.1.0
 */
export type NamedGroup = (typeof NamedGroup)[keyof typeof NamedGroup]

/**
 * The name of a key exchange group, as options have it.
 *
 * @category models
 * @since 0.1.0
 */
export type GroupName = keyof typeof NamedGroup

const groupNames = new Map(Object.entries(NamedGroup).map(([name, group]) => [group, name as GroupName]))

/**
 * The name of a group, as options have it.
 *
 * @category converting
 * @since 0.1.0
 */
export const groupName = (group: NamedGroup): GroupName => groupNames.get(group)!

/**
 * TLS SignatureScheme code points this stack verifies. RFC 8446 §4.2.3
 *
 * @category constants
 * @since 0.1.0
 */
export const SignatureScheme = {
  /** ECDSA over P-256. */
  ecdsa_secp256r1_sha256: 0x0403,
  /** ECDSA over P-384. */
  ecdsa_secp384r1_sha384: 0x0503,
  /** RSA-PSS with SHA-256. */
  rsa_pss_rsae_sha256: 0x0804,
  /** RSA-PSS with SHA-384. */
  rsa_pss_rsae_sha384: 0x0805,
  /** RSA-PSS with SHA-512. */
  rsa_pss_rsae_sha512: 0x0806,
  /** Ed25519. RFC 8032 */
  ed25519: 0x0807
} as const

/**
 * The code point of a signature scheme.
 *
 * @category models
 * @since 0.1.0
 */
export type SignatureScheme = (typeof SignatureScheme)[keyof typeof SignatureScheme]

/**
 * One AEAD key. The tag is always 16 bytes.
 *
 * @category models
 * @since 0.1.0
 */
export interface AeadKey {
  /**
   * Encrypts `buffer[payloadStart, payloadEnd)` in place and writes the tag at `payloadEnd`.
   *
   * The associated data is `buffer[aadStart, payloadStart)`; `nonce` is 12 bytes.
   */
  seal(
    nonce: Uint8Array,
    buffer: Uint8Array,
    aadStart: number,
    payloadStart: number,
    payloadEnd: number
  ): void
  /**
   * Verifies and decrypts `buffer[payloadStart, sealedEnd)` in place; its last 16 bytes are the tag.
   *
   * Returns false and leaves `buffer` unchanged if the tag does not verify or does not fit.
   */
  open(
    nonce: Uint8Array,
    buffer: Uint8Array,
    aadStart: number,
    payloadStart: number,
    sealedEnd: number
  ): boolean
  /**
   * Frees what the key holds outside the JavaScript heap, which is none where this is absent. The transport calls it when
   * it discards the key: from then on `open` returns false and `seal` throws.
   */
  release?(): void
}

/**
 * One header-protection key. RFC 9001 §5.4
 *
 * @category models
 * @since 0.1.0
 */
export interface HeaderKey {
  /** Writes the first five mask bytes for the 16-byte sample at `buffer[offset]` into `mask`. */
  mask(buffer: Uint8Array, offset: number, mask: Uint8Array): void
  /** As `release` of `AeadKey`: `mask` throws afterwards. */
  release?(): void
}

/**
 * A running hash whose digest can be read at any point without ending it.
 *
 * @category models
 * @since 0.1.0
 */
export interface RunningHash {
  /** Adds `data` to the hashed input. */
  update(data: Uint8Array): void
  /** The hash of everything added so far. */
  digest(): Uint8Array
}

/**
 * This side's half of a key agreement.
 *
 * @category models
 * @since 0.1.0
 */
export interface KeyShare {
  /** The group the key pair belongs to. */
  readonly group: NamedGroup
  /** The value for the key_share extension. */
  readonly publicKey: Uint8Array
  /** Of a hybrid: its classical part, which a client may send as a share of its own too. RFC 9954 §3.2 */
  readonly classical?: KeyShare
  /** The shared secret, or undefined if the peer's share is invalid (bad point, bad length, all-zero result). */
  agree(peerShare: Uint8Array): Uint8Array | undefined
  /**
   * Erases the private key where it is outside of the JavaScript heap; absent otherwise. The transport calls it once it has
   * agreed on a secret: from then on `agree` throws. Of a hybrid it releases `classical` too.
   */
  release?(): void
}

/**
 * A private key that can sign CertificateVerify. RFC 8446 §4.4.3
 *
 * @category models
 * @since 0.1.0
 */
export interface SigningKey {
  /** DER SubjectPublicKeyInfo of the public key. */
  readonly spki: Uint8Array
  /** Schemes this key can sign with, best first. */
  readonly schemes: ReadonlyArray<SignatureScheme>
  /** Signs `data` with one of `schemes`. */
  sign(scheme: SignatureScheme, data: Uint8Array): Uint8Array
}

export type { RandomBytes }

/**
 * The server's part of a key exchange.
 *
 * @category models
 * @since 0.1.0
 */
export interface KeyAnswer {
  /** Its share, for the client. */
  readonly publicKey: Uint8Array
  /** What both sides now know. */
  readonly secret: Uint8Array
}

/**
 * An implementation of the cryptography.
 *
 * @category models
 * @since 0.1.0
 */
export interface CryptoSuiteShape {
  /** Name shown to people, such as `node` or `noble`. */
  readonly name: string
  /** Groups supported, best first. */
  readonly groups: ReadonlyArray<NamedGroup>
  /** Schemes that can be verified, best first. */
  readonly signatureSchemes: ReadonlyArray<SignatureScheme>
  /** An AEAD key from its raw bytes. */
  aead(algorithm: AeadAlgorithm, key: Uint8Array): AeadKey
  /** A header-protection key from its raw bytes. */
  headerProtection(algorithm: AeadAlgorithm, key: Uint8Array): HeaderKey
  /** Hashes `data` at once. */
  hash(algorithm: HashAlgorithm, data: Uint8Array): Uint8Array
  /** A hash to be fed in parts. */
  runningHash(algorithm: HashAlgorithm): RunningHash
  /** HMAC of `data` under `key`. RFC 2104 */
  hmac(algorithm: HashAlgorithm, key: Uint8Array, data: Uint8Array): Uint8Array
  /** A fresh key pair; all randomness comes from `random`. */
  keyShare(group: NamedGroup, random: RandomBytes): KeyShare
  /**
   * The server's answer to a client's share: its own share and the secret, encapsulated for a KEM. Undefined if the
   * client's share is invalid. All randomness comes from `random`; a suite may ask the system itself if `random` does.
   */
  respond(group: NamedGroup, clientShare: Uint8Array, random: RandomBytes): KeyAnswer | undefined
  /** Imports a PKCS #8 DER private key (Ed25519, P-256, P-384 or RSA); undefined if it is none of these. */
  signingKey(pkcs8: Uint8Array): SigningKey | undefined
  /** A fresh Ed25519 or P-256 key as PKCS #8 DER. */
  generateSigningKey(kind: "ed25519" | "p256", random: RandomBytes): Uint8Array
  /** Verifies a signature against a DER SubjectPublicKeyInfo; false for malformed input or a key of the wrong kind. */
  verify(scheme: SignatureScheme, spki: Uint8Array, data: Uint8Array, signature: Uint8Array): boolean
  /** Compares secrets in constant time. Different lengths are unequal. */
  equal(a: Uint8Array, b: Uint8Array): boolean
}

/**
 * The service that provides the cryptography.
 *
 * @category services
 * @since 0.1.0
 */
export class CryptoSuite extends Context.Service<CryptoSuite, CryptoSuiteShape>()(
  "effect-quic/capability/CryptoSuite"
) {}
