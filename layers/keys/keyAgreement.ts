/**
 * TLS 1.3 key agreement from the primitives of a crypto suite: the supported groups, and X25519MLKEM768 as the
 * combination of its two halves. RFC 8446 §4.2.8, draft-ietf-tls-ecdhe-mlkem
 */
import {
  type CryptoSuiteShape,
  type KeyShare,
  NamedGroup,
  type RandomBytes
} from "../../src/capability/CryptoSuite.ts"
import { concat } from "./keyEncodings.ts"

/** Bytes of an ML-KEM-768 seed, encapsulation key and ciphertext. FIPS 203 §8 */
export const SEED_LENGTH = 64
export const ENCAPSULATION_KEY_LENGTH = 1184
export const CIPHERTEXT_LENGTH = 1088

export interface DecapsulationKey {
  readonly encapsulationKey: Uint8Array
  /** `ciphertext` is CIPHERTEXT_LENGTH long; an invalid one yields a pseudorandom secret (implicit rejection). */
  decapsulate(ciphertext: Uint8Array): Uint8Array
  /** As `release` of `KeyShare`. */
  release?(): void
}

export interface Encapsulated {
  readonly ciphertext: Uint8Array
  readonly sharedSecret: Uint8Array
}

export interface KeyAgreementPrimitives {
  readonly x25519Share: (random: RandomBytes) => KeyShare
  /** secp256r1 or secp384r1. */
  readonly ecdhShare: (group: NamedGroup, random: RandomBytes) => KeyShare
  /** From a seed of SEED_LENGTH. */
  readonly decapsulationKey: (seed: Uint8Array) => DecapsulationKey
  /** Undefined if the key fails the check of FIPS 203 §7.2. */
  readonly encapsulate: (encapsulationKey: Uint8Array, random: RandomBytes) => Encapsulated | undefined
}

export const keyAgreement = ({
  x25519Share,
  ecdhShare,
  decapsulationKey,
  encapsulate
}: KeyAgreementPrimitives): Pick<CryptoSuiteShape, "groups" | "keyShare" | "respond"> => {
  /** draft-ietf-tls-ecdhe-mlkem §3: ML-KEM first, then X25519, in shares and in the secret. */
  const hybridShare = (random: RandomBytes): KeyShare => {
    const kem = decapsulationKey(random(SEED_LENGTH))
    const classic = x25519Share(random)
    return {
      group: NamedGroup.x25519MlKem768,
      publicKey: concat(kem.encapsulationKey, classic.publicKey),
      classical: classic,
      agree: (peerShare) => {
        if (peerShare.length !== CIPHERTEXT_LENGTH + 32) return undefined
        const classicSecret = classic.agree(peerShare.subarray(CIPHERTEXT_LENGTH))
        if (classicSecret === undefined) return undefined
        return concat(kem.decapsulate(peerShare.subarray(0, CIPHERTEXT_LENGTH)), classicSecret)
      },
      release: () => {
        kem.release?.()
        classic.release?.()
      }
    }
  }

  const hybridRespond: CryptoSuiteShape["respond"] = (_group, clientShare, random) => {
    if (clientShare.length !== ENCAPSULATION_KEY_LENGTH + 32) return undefined
    const classic = x25519Share(random)
    const classicSecret = classic.agree(clientShare.subarray(ENCAPSULATION_KEY_LENGTH))
    classic.release?.()
    if (classicSecret === undefined) return undefined
    const kem = encapsulate(clientShare.subarray(0, ENCAPSULATION_KEY_LENGTH), random)
    if (kem === undefined) return undefined
    return {
      publicKey: concat(kem.ciphertext, classic.publicKey),
      secret: concat(kem.sharedSecret, classicSecret)
    }
  }

  const keyShare: CryptoSuiteShape["keyShare"] = (group, random) =>
    group === NamedGroup.x25519
      ? x25519Share(random)
      : group === NamedGroup.x25519MlKem768
        ? hybridShare(random)
        : ecdhShare(group, random)

  return {
    groups: [NamedGroup.x25519MlKem768, NamedGroup.x25519, NamedGroup.secp256r1, NamedGroup.secp384r1],
    keyShare,
    respond: (group, clientShare, random) => {
      if (group === NamedGroup.x25519MlKem768) return hybridRespond(group, clientShare, random)
      const share = keyShare(group, random)
      const secret = share.agree(clientShare)
      share.release?.()
      return secret === undefined ? undefined : { publicKey: share.publicKey, secret }
    }
  }
}
