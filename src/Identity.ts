/**
 * What this side authenticates with: a certificate chain or a raw public key (RFC 7250), and the matching private key.
 *
 * The private key is `Redacted`: logging, inspecting or serializing an identity does not reveal it.
 *
 * **Example** (Loading an identity from files)
 *
 * ```ts
 * import { Effect, FileSystem } from "effect"
 * import { Identity } from "effect-quic"
 *
 * const identity = Effect.gen(function* () {
 *   const fs = yield* FileSystem.FileSystem
 *   const cert = yield* fs.readFileString("server.crt")
 *   const key = yield* fs.readFileString("server.key")
 *   return yield* Identity.fromPem({ cert, key })
 * })
 * ```
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Inspectable from "effect/Inspectable"
import * as Redacted from "effect/Redacted"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import * as Base64 from "effect/encoding/Base64"
import { isBytes, isRecord } from "./arguments.ts"
import { CryptoSuite, type CryptoSuiteShape } from "./capability/CryptoSuite.ts"
import type { CertificateType } from "./capability/CertificateVerifier.ts"
import { Entropy } from "./capability/Entropy.ts"
import { sameBytes } from "./internal/bytes.ts"
import { certificateSpki } from "./internal/certificate.ts"
import { pemBlocks, toPkcs8 } from "./internal/pem.ts"
import * as PeerId from "./PeerId.ts"

/**
 * Most certificates in a chain.
 *
 * @category constants
 * @since 0.1.0
 */
export const maxChainLength = 10

/**
 * Most bytes in a certificate.
 *
 * @category constants
 * @since 0.1.0
 */
export const maxCertificateBytes = 65_536

/**
 * No identity could be made. `kind` is the cause, `message` says what to do about it.
 *
 * @category errors
 * @since 0.1.0
 */
export class IdentityError extends Schema.TaggedError<IdentityError>()("IdentityError", {
  /** Which. */
  kind: Schema.Literals([
    "NoCertificate",
    "NoPrivateKey",
    "Malformed",
    "EncryptedKey",
    "UnsupportedKey",
    "KeyMismatch",
    "ChainTooLong",
    "GenerationFailed"
  ]),
  /** What was given and what is wrong with it, in one line. */
  message: Schema.String
}) {}

/**
 * A credential: what is presented to the peer, and the key that proves it.
 *
 * **Details**
 *
 * Made by `fromPem`, `fromDer`, `rawKey` and `generateRawKey`, and by `NodeIdentity.developmentCertificate`.
 *
 * @category models
 * @since 0.1.0
 */
export class Identity {
  /** Whether `chain` holds certificates or a raw public key. */
  readonly certificateType: CertificateType
  /** DER certificates, leaf first; for a raw public key its DER SubjectPublicKeyInfo. */
  readonly chain: ReadonlyArray<Uint8Array>
  /** DER SubjectPublicKeyInfo of the key. */
  readonly spki: Uint8Array
  /** PKCS #8 DER. */
  readonly privateKey: Redacted.Redacted<Uint8Array>

  constructor(
    certificateType: CertificateType,
    chain: ReadonlyArray<Uint8Array>,
    spki: Uint8Array,
    privateKey: Redacted.Redacted<Uint8Array>
  ) {
    this.certificateType = certificateType
    this.chain = chain
    this.spki = spki
    this.privateKey = privateKey
  }

  /** SHA-256 of the SubjectPublicKeyInfo as 64 hex digits: what peers pin, and the `PeerId` of a raw key's holder. */
  get peerId(): PeerId.PeerId {
    return PeerId.fromSpki(this.spki)
  }

  /** Shows certificate type and `peerId`, not the key. */
  toString(): string {
    return `Identity(${this.certificateType}, sha256:${this.peerId})`
  }

  /** Certificate type and `peerId`, not the key. */
  toJSON(): unknown {
    return { _id: "Identity", certificateType: this.certificateType, peerId: this.peerId }
  }

  /** @internal */
  [Inspectable.NodeInspectSymbol](): string {
    return this.toString()
  }
}

/**
 * Whether a value is an `Identity`, from this or another copy of the package.
 *
 * @category guards
 * @since 0.1.0
 */
export const isIdentity = (value: unknown): value is Identity =>
  isRecord(value) &&
  (value.certificateType === "x509" || value.certificateType === "rawPublicKey") &&
  Array.isArray(value.chain) &&
  value.chain.length > 0 &&
  value.chain.every(isBytes) &&
  Redacted.isRedacted(value.privateKey)

/**
 * Makes an identity from PEM text: certificates leaf first, and an unencrypted private key. Both may be in one file.
 *
 * **Details**
 *
 * Keys may be Ed25519, P-256, P-384 or RSA, in PKCS #8, PKCS #1 or SEC 1. Fails with `IdentityError`: `NoCertificate`,
 * `NoPrivateKey`, `Malformed`, `EncryptedKey`, `UnsupportedKey`, `KeyMismatch` or `ChainTooLong`.
 *
 * @category constructors
 * @since 0.1.0
 */
export const fromPem: (pem: {
  readonly cert: string
  readonly key: string | Redacted.Redacted<string>
}) => Effect.Effect<Identity, IdentityError, CryptoSuite> = Effect.fnUntraced(function* (pem) {
  const suite = yield* CryptoSuite
  if (!isRecord(pem)) return yield* fail("Malformed", "an object with `cert` and `key`, both PEM text")
  const chain = yield* certificatesFromPem(pem.cert)
  const pkcs8 = yield* privateKeyFromPem(Redacted.isRedacted(pem.key) ? Redacted.value(pem.key) : pem.key)
  return yield* fromDer({ chain, privateKey: pkcs8 }).pipe(Effect.provideService(CryptoSuite, suite))
})

/**
 * Makes an identity from DER certificates, leaf first, and a PKCS #8 key.
 *
 * **Details**
 *
 * Fails with `IdentityError`: `NoCertificate`, `Malformed`, `UnsupportedKey`, `KeyMismatch` or `ChainTooLong`.
 *
 * @category constructors
 * @since 0.1.0
 */
export const fromDer: (der: {
  readonly chain: ReadonlyArray<Uint8Array>
  readonly privateKey: Uint8Array
}) => Effect.Effect<Identity, IdentityError, CryptoSuite> = Effect.fnUntraced(function* (der) {
  if (!isRecord(der) || !Array.isArray(der.chain) || !der.chain.every(isBytes) || !isBytes(der.privateKey))
    return yield* fail("Malformed", "`chain` must be an array of Uint8Arrays, and `privateKey` a Uint8Array")
  const { chain, privateKey } = der
  if (chain.length === 0)
    return yield* fail("NoCertificate", "the chain must contain at least the certificate of the key")
  if (chain.length > maxChainLength) {
    return yield* fail("ChainTooLong", `${chain.length} certificates; peers accept at most ${maxChainLength}`)
  }
  const spkis: Array<Uint8Array> = []
  for (const [i, certificate] of chain.entries()) {
    const spki = certificate.length > maxCertificateBytes ? undefined : certificateSpki(certificate)
    if (spki === undefined) {
      return yield* fail(
        "Malformed",
        `certificate ${i + 1} of ${chain.length} is not a DER X.509 certificate`
      )
    }
    spkis.push(spki)
  }
  const spki = yield* publicKeyOf(yield* CryptoSuite, privateKey)
  if (!sameBytes(spki, spkis[0])) {
    const match = spkis.findIndex((candidate) => sameBytes(candidate, spki))
    return yield* fail(
      "KeyMismatch",
      match === -1
        ? "the private key does not belong to the certificate"
        : `the private key belongs to certificate ${match + 1}, which must come first`
    )
  }
  return new Identity("x509", chain, spki, Redacted.make(privateKey, { label: "privateKey" }))
})

/**
 * Makes an identity from a key alone, without certificates. RFC 7250
 *
 * **Details**
 *
 * `pkcs8` is PKCS #8 DER; peers that are addressed by `PeerId` use Ed25519. Fails with `IdentityError`: `Malformed` or
 * `UnsupportedKey`.
 *
 * @category constructors
 * @since 0.1.0
 */
export const rawKey: (
  pkcs8: Uint8Array | Redacted.Redacted<Uint8Array>
) => Effect.Effect<Identity, IdentityError, CryptoSuite> = Effect.fnUntraced(function* (pkcs8) {
  const privateKey = Redacted.isRedacted(pkcs8) ? pkcs8 : Redacted.make(pkcs8, { label: "privateKey" })
  if (!isBytes(Redacted.value(privateKey)))
    return yield* fail("Malformed", "a raw key is a Uint8Array, PKCS #8 DER")
  const spki = yield* publicKeyOf(yield* CryptoSuite, Redacted.value(privateKey))
  return new Identity("rawPublicKey", [spki], spki, privateKey)
})

/**
 * Generates an Ed25519 raw key; the same one again under the same seeded `Entropy`.
 *
 * **Example** (A peer that accepts one other)
 *
 * ```ts
 * import { Effect } from "effect"
 * import { Identity, type PeerId, QuicEndpoint, Trust } from "effect-quic"
 *
 * const listen = (friend: PeerId.PeerId) =>
 *   Effect.gen(function* () {
 *     const identity = yield* Identity.generateRawKey
 *     return yield* QuicEndpoint.make({ server: { alpn: ["chat"], identity, clientCertificate: "require" } })
 *   }).pipe(Effect.provide(Trust.layerRawKeys([friend])))
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const generateRawKey: Effect.Effect<Identity, IdentityError, CryptoSuite | Entropy> = Effect.gen(
  function* () {
    const suite = yield* CryptoSuite
    const { randomBytes } = yield* Entropy
    return yield* rawKey(suite.generateSigningKey("ed25519", randomBytes))
  }
)

/**
 * The certificates as PEM, leaf first; for a raw key its public key.
 *
 * @category converting
 * @since 0.1.0
 */
export const publicPem = (identity: Identity): string =>
  identity.chain
    .map((der) => toPem(identity.certificateType === "x509" ? "CERTIFICATE" : "PUBLIC KEY", der))
    .join("")

/**
 * The private key as PEM. Write it only to a file that its owner alone can read.
 *
 * @category converting
 * @since 0.1.0
 */
export const privateKeyPem = (identity: Identity): Redacted.Redacted<string> =>
  Redacted.make(toPem("PRIVATE KEY", Redacted.value(identity.privateKey)), { label: "privateKey" })

/**
 * Every certificate in PEM text as DER, in order.
 *
 * **Details**
 *
 * Fails with `IdentityError`: `NoCertificate` or `Malformed`.
 *
 * @category parsing
 * @since 0.1.0
 */
export const certificatesFromPem: (text: string) => Effect.Effect<ReadonlyArray<Uint8Array>, IdentityError> =
  Effect.fnUntraced(function* (text) {
    if (typeof text !== "string") return yield* notText("certificates")
    const certificates: Array<Uint8Array> = []
    for (const block of pemBlocks(text)) {
      if (block.label !== "CERTIFICATE" && block.label !== "X509 CERTIFICATE") continue
      const der = Base64.decode(block.body)
      if (Result.isFailure(der) || certificateSpki(der.success) === undefined) {
        return yield* fail("Malformed", `certificate ${certificates.length + 1} in the PEM text is damaged`)
      }
      certificates.push(der.success)
    }
    if (certificates.length === 0) {
      return yield* fail("NoCertificate", "no -----BEGIN CERTIFICATE----- block in the PEM text")
    }
    return certificates
  })

const privateKeyFromPem = Effect.fnUntraced(function* (text: string) {
  if (typeof text !== "string") return yield* notText("private key")
  for (const block of pemBlocks(text)) {
    if (!block.label.endsWith("PRIVATE KEY")) continue
    if (block.label === "ENCRYPTED PRIVATE KEY" || block.encrypted) {
      return yield* fail(
        "EncryptedKey",
        "the private key is encrypted; decrypt it first: openssl pkcs8 -topk8 -nocrypt -in key.pem -out plain.pem"
      )
    }
    const der = Base64.decode(block.body)
    const pkcs8 = Result.isFailure(der) ? undefined : toPkcs8(block.label, der.success)
    if (pkcs8 === undefined)
      return yield* fail("Malformed", `the ${block.label} block in the PEM text is damaged`)
    return pkcs8
  }
  return yield* fail("NoPrivateKey", "no -----BEGIN PRIVATE KEY----- block in the PEM text")
})

const publicKeyOf = (
  suite: CryptoSuiteShape,
  pkcs8: Uint8Array
): Effect.Effect<Uint8Array, IdentityError> => {
  const key = suite.signingKey(pkcs8)
  return key === undefined
    ? fail("UnsupportedKey", "the private key must be Ed25519, P-256, P-384 or RSA in PKCS #8")
    : Effect.succeed(key.spki)
}

const fail = (kind: IdentityError["kind"], message: string): Effect.Effect<never, IdentityError> =>
  Effect.fail(new IdentityError({ kind, message }))

const notText = (what: string): Effect.Effect<never, IdentityError> =>
  fail("Malformed", `the ${what} must be PEM text; convert the bytes of a file with toString()`)

const toPem = (label: string, der: Uint8Array): string =>
  `-----BEGIN ${label}-----\n${Base64.encode(der).replace(/(.{64})(?=.)/g, "$1\n")}\n-----END ${label}-----\n`
