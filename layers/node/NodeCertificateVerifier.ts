/**
 * X.509 certificate verification on Node: system roots, given CAs, pinned certificates, pinned keys.
 *
 * All verifiers also check the peer's certificate for validity (by Effect's `Clock`), key usage, extended key usage for
 * the peer's role, key strength, and the host name or IP address if there is one. Pinning replaces only the chain of
 * CAs. Revocation is not checked. RFC 5280 §6, RFC 9525
 *
 * Verdicts are synchronous. Combine verifiers with `Trust.anyOf` and `Trust.allOf`.
 *
 * **Example** (Trusting a private CA)
 *
 * ```ts
 * import { Layer } from "effect"
 * import { layerWithoutTrust, NodeCertificateVerifier } from "effect-quic/layers/node"
 *
 * const layerPrivate = (caPem: string) =>
 *   Layer.merge(layerWithoutTrust, NodeCertificateVerifier.layerAuthorities([caPem]))
 * ```
 *
 * @since 0.1.0
 */
import { createHash } from "node:crypto"
import * as tls from "node:tls"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { isBytes } from "../../src/arguments.ts"
import {
  CertificateAlert,
  CertificateVerifier,
  type CertificateVerifierShape,
  type VerifyRequest
} from "../../src/capability/CertificateVerifier.ts"
import {
  certificatesFromPem,
  IdentityError,
  maxCertificateBytes,
  maxChainLength
} from "../../src/Identity.ts"
import { Malformed } from "../../src/internal/DerReader.ts"
import { KnownCertificates } from "./certificates/KnownCertificates.ts"
import { verifyPath } from "./certificates/certificatePath.ts"
import type { ParsedCertificate } from "./certificates/ParsedCertificate.ts"
import { checkLeaf, objection, type Objection } from "./certificates/peerCertificate.ts"
import { TrustAnchors } from "./certificates/TrustAnchors.ts"

/**
 * One certificate as DER bytes, or one or more as PEM text.
 *
 * @category models
 * @since 0.1.0
 */
export type CertificateInput = string | Uint8Array

/**
 * A public key as DER SubjectPublicKeyInfo, or its SHA-256 as 64 hex digits.
 *
 * @category models
 * @since 0.1.0
 */
export type PinInput = string | Uint8Array

/**
 * Trusts the system's certificate store and `NODE_EXTRA_CA_CERTS`, or Node's bundled roots if the system has none.
 *
 * **Details**
 *
 * Logs a warning if there are no roots at all; no peer is then accepted.
 *
 * @category verifiers
 * @since 0.1.0
 */
export const systemAuthorities: Effect.Effect<CertificateVerifierShape> = Effect.suspend(() => {
  systemAnchors ??= loadSystemAnchors()
  const verifier = verifierOf(trustsPathTo(systemAnchors))
  return systemAnchors.size > 0
    ? Effect.succeed(verifier)
    : Effect.as(Effect.logWarning("no system root certificates found: no peer will be accepted"), verifier)
})

/**
 * Trusts certificates issued by these CAs, directly or through intermediates, and each of these certificates as a leaf.
 *
 * **Details**
 *
 * One input, or an array. Fails with `IdentityError`, `Malformed` or `NoCertificate`, if a certificate cannot be read.
 *
 * @category verifiers
 * @since 0.1.0
 */
export const authorities = (
  certificates: CertificateInput | ReadonlyArray<CertificateInput>
): Effect.Effect<CertificateVerifierShape, IdentityError> =>
  Effect.map(anchorsFrom(certificates), (anchors) => verifierOf(trustsPathTo(anchors)))

/**
 * Trusts exactly these certificates, self-signed or not, for development and small closed groups.
 *
 * **Details**
 *
 * One input, or an array. Fails with `IdentityError`, `Malformed` or `NoCertificate`, if a certificate cannot be read.
 *
 * @category verifiers
 * @since 0.1.0
 */
export const pinnedCertificates = (
  certificates: CertificateInput | ReadonlyArray<CertificateInput>
): Effect.Effect<CertificateVerifierShape, IdentityError> =>
  Effect.map(anchorsFrom(certificates), (pinned) =>
    verifierOf(([leaf]) =>
      pinned.has(leaf)
        ? undefined
        : objection(CertificateAlert.certificateUnknown, `${leaf.label} is not pinned`)
    )
  )

/**
 * Trusts certificates with these public keys, whoever issued them, so that renewing a certificate with the same key
 * keeps it trusted.
 *
 * **Details**
 *
 * One key, or an array: a DER SubjectPublicKeyInfo, or its SHA-256 as 64 hex digits (`Identity.peerId`). Fails with
 * `IdentityError` for anything else.
 *
 * @category verifiers
 * @since 0.1.0
 */
export const pinnedKeys = (
  keys: PinInput | ReadonlyArray<PinInput>
): Effect.Effect<CertificateVerifierShape, IdentityError> =>
  Effect.map(Effect.flatMap(listed(keys, "keys", keyText), Effect.forEach(pinFrom)), (pins) => {
    const pinned = new Set(pins)
    return verifierOf(([leaf]) => {
      const pin = sha256(leaf.spki)
      return pinned.has(pin)
        ? undefined
        : objection(
            CertificateAlert.certificateUnknown,
            `the key of ${leaf.label}, sha256:${pin}, is not pinned`
          )
    })
  })

/**
 * Provides {@link systemAuthorities}.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer: Layer.Layer<CertificateVerifier> = Layer.effect(CertificateVerifier, systemAuthorities)

/**
 * Provides {@link authorities}.
 *
 * @category layers
 * @since 0.1.0
 */
export const layerAuthorities = (
  certificates: CertificateInput | ReadonlyArray<CertificateInput>
): Layer.Layer<CertificateVerifier, IdentityError> =>
  Layer.effect(CertificateVerifier, authorities(certificates))

/**
 * Provides {@link pinnedCertificates}.
 *
 * @category layers
 * @since 0.1.0
 */
export const layerPinnedCertificates = (
  certificates: CertificateInput | ReadonlyArray<CertificateInput>
): Layer.Layer<CertificateVerifier, IdentityError> =>
  Layer.effect(CertificateVerifier, pinnedCertificates(certificates))

/**
 * Provides {@link pinnedKeys}.
 *
 * @category layers
 * @since 0.1.0
 */
export const layerPinnedKeys = (
  keys: PinInput | ReadonlyArray<PinInput>
): Layer.Layer<CertificateVerifier, IdentityError> => Layer.effect(CertificateVerifier, pinnedKeys(keys))

/** Whether to trust a chain, leaf first; the leaf itself has passed its checks. */
type Trusts = (
  chain: ReadonlyArray<ParsedCertificate>,
  request: VerifyRequest,
  nowMillis: number
) => Objection

const verifierOf = (trusts: Trusts): CertificateVerifierShape => {
  const known = new KnownCertificates()
  return {
    certificateTypes: ["x509"],
    verify: (request) =>
      Effect.flatMap(Clock.currentTimeMillis, (nowMillis) => {
        const verdict = verifyPeer(request, trusts, known, nowMillis)
        return verdict === undefined ? Effect.void : Effect.fail(verdict)
      })
  }
}

const trustsPathTo =
  (anchors: TrustAnchors): Trusts =>
  (chain, { role }, nowMillis) =>
    verifyPath(chain, anchors, role, nowMillis)

const verifyPeer = (
  { peer, role, serverName }: VerifyRequest,
  trusts: Trusts,
  known: KnownCertificates,
  nowMillis: number
): Objection => {
  if (peer._tag !== "x509") {
    return objection(
      CertificateAlert.unsupportedCertificate,
      "the peer sent a raw public key, but only X.509 certificates are accepted"
    )
  }
  const malformed = (reason: string) => objection(CertificateAlert.badCertificate, reason)
  if (peer.chain.length === 0) return malformed("the peer sent no certificate")
  if (peer.chain.length > maxChainLength) {
    return malformed(`the peer sent ${peer.chain.length} certificates; the limit is ${maxChainLength}`)
  }
  const chain: Array<ParsedCertificate> = []
  for (const [i, der] of peer.chain.entries()) {
    const nth = `certificate ${i + 1} of ${peer.chain.length} from the peer`
    if (der.length > maxCertificateBytes) {
      return malformed(`${nth} has ${der.length} bytes; the limit is ${maxCertificateBytes}`)
    }
    const certificate = known.parse(der)
    if (certificate instanceof Malformed) {
      return malformed(`${nth} is not a well-formed X.509 certificate: ${certificate.message} cannot be read`)
    }
    chain.push(certificate)
  }
  const verdict =
    checkLeaf(chain[0], role, serverName, nowMillis) ?? trusts(chain, { peer, role, serverName }, nowMillis)
  if (verdict === undefined) known.remember(chain)
  return verdict
}

let systemAnchors: TrustAnchors | undefined

const loadSystemAnchors = (): TrustAnchors => {
  const anchors = new TrustAnchors()
  let system = tls.getCACertificates("system")
  if (system.length === 0) system = [...tls.rootCertificates]
  for (const pem of [...system, ...tls.getCACertificates("extra")]) {
    anchors.add(Buffer.from(pem.replace(/-----[^-]+-----/g, ""), "base64"))
  }
  return anchors
}

const certificateText = "PEM text or DER bytes (Uint8Array)"
const keyText = "a SHA-256 of 64 hex digits or a DER SubjectPublicKeyInfo (Uint8Array)"

/** One is a list of one: text is iterable too, by letters, and bytes by numbers. */
const listed = (
  given: unknown,
  field: string,
  what: string
): Effect.Effect<ReadonlyArray<string | Uint8Array>, IdentityError> => {
  const isOne = (value: unknown): value is string | Uint8Array => typeof value === "string" || isBytes(value)
  const malformed = (where: string, expected: string) =>
    Effect.fail(new IdentityError({ kind: "Malformed", message: `${where}: expected ${expected}` }))
  if (isOne(given)) return Effect.succeed([given])
  if (!Array.isArray(given)) return malformed(field, `${what}, or an array of these`)
  const wrong = given.findIndex((each) => !isOne(each))
  return wrong < 0 ? Effect.succeed(given) : malformed(`${field}.${wrong}`, what)
}

const anchorsFrom = Effect.fnUntraced(function* (given: CertificateInput | ReadonlyArray<CertificateInput>) {
  const anchors = new TrustAnchors()
  for (const input of yield* listed(given, "certificates", certificateText)) {
    for (const der of typeof input === "string" ? yield* certificatesFromPem(input) : [input]) {
      const malformed = anchors.add(der)
      if (malformed !== undefined) {
        return yield* new IdentityError({
          kind: "Malformed",
          message: `a trusted certificate is not a well-formed X.509 certificate: ${malformed.message} cannot be read`
        })
      }
    }
  }
  return anchors
})

const pinFrom = (key: string | Uint8Array): Effect.Effect<string, IdentityError> => {
  if (typeof key !== "string") return Effect.succeed(sha256(key))
  const pin = key
    .replace(/^sha256:/i, "")
    .replaceAll(":", "")
    .toLowerCase()
  return /^[0-9a-f]{64}$/.test(pin)
    ? Effect.succeed(pin)
    : Effect.fail(
        new IdentityError({
          kind: "Malformed",
          message: `a pinned key must be a SHA-256 of 64 hex digits, not "${key}"`
        })
      )
}

const sha256 = (bytes: Uint8Array): string => createHash("sha256").update(bytes).digest("hex")
