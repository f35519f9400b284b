/**
 * Verifiers that need not parse certificates: raw public keys, and combinations of verifiers.
 *
 * Verifiers of X.509 certificates (system roots, given CAs, pinned certificates and keys) are in
 * `NodeCertificateVerifier` of `effect-quic/layers/node`. All of them combine.
 *
 * **Example** (Accepting a company's certificates and one raw key)
 *
 * ```ts
 * import { Effect, Layer } from "effect"
 * import { CertificateVerifier, type PeerId, Trust } from "effect-quic"
 * import { NodeCertificateVerifier } from "effect-quic/layers/node"
 *
 * const layerTrust = (companyCa: string, bootstrapPeer: PeerId.PeerId) =>
 *   Layer.effect(
 *     CertificateVerifier,
 *     Effect.map(NodeCertificateVerifier.authorities([companyCa]), (company) =>
 *       Trust.anyOf(company, Trust.rawKeys([bootstrapPeer]))
 *     )
 *   )
 * ```
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import {
  CertificateAlert,
  CertificateRejected,
  CertificateVerifier,
  type CertificateType,
  type CertificateVerifierShape
} from "./capability/CertificateVerifier.ts"
import { isBytes } from "./arguments.ts"
import * as PeerId from "./PeerId.ts"
import { InvalidOption, quicError } from "./QuicError.ts"

/**
 * Accepts raw public keys whose `PeerId` satisfies `isKnown`, which is called for every handshake. RFC 7250
 *
 * @category verifiers
 * @since 0.1.0
 */
export const rawKeysWhere = (
  isKnown: (peerId: PeerId.PeerId, spki: Uint8Array) => boolean
): CertificateVerifierShape => ({
  certificateTypes: ["rawPublicKey"],
  verify: ({ peer }) => {
    if (peer._tag !== "rawPublicKey") return unsupportedType(peer._tag)
    const peerId = PeerId.fromSpki(peer.spki)
    return isKnown(peerId, peer.spki)
      ? Effect.void
      : reject(CertificateAlert.certificateUnknown, `the key of peer ${peerId} is not among the known ones`)
  }
})

const notKey = quicError(
  new InvalidOption({
    field: "known",
    problem: "a list of PeerIds (64 lowercase hex digits) and of DER SubjectPublicKeyInfos (Uint8Array)"
  })
)

/**
 * Accepts these raw public keys and no others.
 *
 * **Details**
 *
 * A key is a `PeerId` or a DER SubjectPublicKeyInfo. Throws `QuicError` with `InvalidOption` for anything else, which
 * would match no peer.
 *
 * @category verifiers
 * @since 0.1.0
 */
export const rawKeys = (known: Iterable<PeerId.PeerId | Uint8Array>): CertificateVerifierShape => {
  const peerIds = new Set<string>()
  // a single PeerId is iterable too, by digits
  if (typeof known === "string" || !(Symbol.iterator in Object(known))) throw notKey
  for (const key of known) {
    if (!PeerId.isPeerId(key) && !isBytes(key)) throw notKey
    peerIds.add(isBytes(key) ? PeerId.fromSpki(key) : key)
  }
  return rawKeysWhere((peerId) => peerIds.has(peerId))
}

/**
 * Accepts every raw public key.
 *
 * **Details**
 *
 * The peer still proves that it holds the private key, so its `PeerId` is certain; what that `PeerId` may do is up to
 * the application. For nodes that serve strangers, such as bootstrap nodes.
 *
 * @category verifiers
 * @since 0.1.0
 */
export const anyRawKey: CertificateVerifierShape = rawKeysWhere(() => true)

/**
 * Accepts a peer that at least one of the verifiers accepts.
 *
 * **Details**
 *
 * A peer that all reject gets the most specific rejection: one that examined the certificate rather than one that does
 * not know it.
 *
 * @category combinators
 * @since 0.1.0
 */
export const anyOf = (
  first: CertificateVerifierShape,
  ...others: ReadonlyArray<CertificateVerifierShape>
): CertificateVerifierShape => {
  const verifiers = [first, ...others]
  return {
    certificateTypes: [...new Set(verifiers.flatMap((verifier) => verifier.certificateTypes))],
    verify: Effect.fnUntraced(function* (request) {
      let told: CertificateRejected | undefined
      for (const verifier of verifiers) {
        if (!verifier.certificateTypes.includes(request.peer._tag)) continue
        const rejected = yield* Effect.match(verifier.verify(request), {
          onSuccess: () => undefined,
          onFailure: (rejected) => rejected
        })
        if (rejected === undefined) return
        // a verifier that knows the peer and rejects it says more than one that does not know it
        if (told === undefined || isStranger(told)) told = rejected
      }
      return yield* told === undefined ? unsupportedType(request.peer._tag) : Effect.fail(told)
    })
  }
}

/**
 * Accepts a peer that every one of the verifiers accepts, for example a valid chain to a known CA and a pinned key.
 *
 * @category combinators
 * @since 0.1.0
 */
export const allOf = (
  first: CertificateVerifierShape,
  ...others: ReadonlyArray<CertificateVerifierShape>
): CertificateVerifierShape => {
  const verifiers = [first, ...others]
  const types = first.certificateTypes.filter((type) =>
    others.every((verifier) => verifier.certificateTypes.includes(type))
  )
  return {
    certificateTypes: types,
    verify: (request) =>
      types.includes(request.peer._tag)
        ? Effect.forEach(verifiers, (verifier) => verifier.verify(request), { discard: true })
        : unsupportedType(request.peer._tag)
  }
}

/**
 * Provides {@link rawKeys}.
 *
 * @category layers
 * @since 0.1.0
 */
export const layerRawKeys = (known: Iterable<PeerId.PeerId | Uint8Array>): Layer.Layer<CertificateVerifier> =>
  Layer.succeed(CertificateVerifier, rawKeys(known))

/**
 * Provides {@link anyRawKey}.
 *
 * @category layers
 * @since 0.1.0
 */
export const layerAnyRawKey: Layer.Layer<CertificateVerifier> = Layer.succeed(CertificateVerifier, anyRawKey)

/**
 * Accepts every peer, whatever certificate or key it presents, and logs a warning.
 *
 * **Details**
 *
 * Encryption without authentication: anyone on the network path can read and change the traffic. For experiments on one
 * machine.
 *
 * @category layers
 * @since 0.1.0
 */
export const layerInsecureAcceptsAnyPeer: Layer.Layer<CertificateVerifier> = Layer.effect(
  CertificateVerifier,
  Effect.as(
    Effect.logWarning(
      "effect-quic accepts any peer without verifying who it is: anyone on the network path can read and change the traffic"
    ),
    { certificateTypes: ["x509", "rawPublicKey"], verify: () => Effect.void }
  )
)

const reject = (alert: CertificateAlert, reason: string): Effect.Effect<never, CertificateRejected> =>
  Effect.fail(new CertificateRejected({ alert, reason }))

const unsupportedType = (type: CertificateType): Effect.Effect<never, CertificateRejected> =>
  reject(
    CertificateAlert.unsupportedCertificate,
    type === "x509"
      ? "the peer showed an X.509 certificate where only known raw public keys are accepted"
      : "the peer showed a raw public key where only X.509 certificates are accepted"
  )

const isStranger = ({ alert }: CertificateRejected): boolean =>
  alert === CertificateAlert.unknownCa || alert === CertificateAlert.certificateUnknown
