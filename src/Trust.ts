/**
 * Whom to trust, where no certificate has to be read: raw public keys, and combinations of verifiers.
 *
 * Trust in X.509 certificates (system roots, given CAs, pinned certificates and keys) is in
 * `layers/node/NodeCertificateVerifier.ts`; all of them combine:
 *
 * ```ts
 * const trust = Layer.effect(
 *   CertificateVerifier,
 *   Effect.map(NodeCertificateVerifier.authorities([companyCa]), (company) =>
 *     Trust.anyOf(company, Trust.rawKeys([bootstrapPeerId]))
 *   )
 * )
 * ```
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

/** Accepts raw public keys whose PeerId satisfies `isKnown`, asked anew for every handshake. RFC 7250 */
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
 * Accepts these raw public keys and no others, each given as a PeerId or as a DER SubjectPublicKeyInfo. Throws
 * `InvalidOption` for what is neither, which would match nobody.
 */
export const rawKeys = (known: Iterable<PeerId.PeerId | Uint8Array>): CertificateVerifierShape => {
  const peerIds = new Set<string>()
  // the digits of a PeerId on its own are a list as well
  if (typeof known === "string" || !(Symbol.iterator in Object(known))) throw notKey
  for (const key of known) {
    if (!PeerId.isPeerId(key) && !isBytes(key)) throw notKey
    peerIds.add(isBytes(key) ? PeerId.fromSpki(key) : key)
  }
  return rawKeysWhere((peerId) => peerIds.has(peerId))
}

/**
 * Accepts every raw public key. The peer has still proved to hold the private key, so its PeerId is beyond doubt; what
 * that PeerId may do is left to the application. For nodes that serve strangers, such as bootstrap nodes.
 */
export const anyRawKey: CertificateVerifierShape = rawKeysWhere(() => true)

/** Accepts a peer that one of the verifiers accepts. */
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
        // one that knew the peer, and found fault with it, has more to say than one that did not
        if (told === undefined || isStranger(told)) told = rejected
      }
      return yield* told === undefined ? unsupportedType(request.peer._tag) : Effect.fail(told)
    })
  }
}

/** Accepts a peer that every one of the verifiers accepts: a valid chain to a known CA *and* a pinned key, say. */
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

/** Accepts these raw public keys and no others. */
export const layerRawKeys = (known: Iterable<PeerId.PeerId | Uint8Array>): Layer.Layer<CertificateVerifier> =>
  Layer.succeed(CertificateVerifier, rawKeys(known))

/** Accepts every raw public key, see {@link anyRawKey}. */
export const layerAnyRawKey: Layer.Layer<CertificateVerifier> = Layer.succeed(CertificateVerifier, anyRawKey)

/**
 * Accepts anybody who shows any certificate or key. Encryption without authentication: whoever is in between can read and
 * change everything. For experiments on one's own machine; says so in the log.
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
