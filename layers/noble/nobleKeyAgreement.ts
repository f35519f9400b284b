/** Key agreement on `@noble/curves` and `@noble/post-quantum`. RFC 8446 §4.2.8, draft-ietf-tls-ecdhe-mlkem */
import { x25519 } from "@noble/curves/ed25519.js"
import { p256, p384 } from "@noble/curves/nist.js"
import { ml_kem768 } from "@noble/post-quantum/ml-kem.js"
import {
  type CryptoSuiteShape,
  type KeyShare,
  NamedGroup,
  type RandomBytes
} from "../../src/capability/CryptoSuite.ts"
import { concat } from "../keys/keyEncodings.ts"

export const groups: ReadonlyArray<NamedGroup> = [
  NamedGroup.x25519MlKem768,
  NamedGroup.x25519,
  NamedGroup.secp256r1,
  NamedGroup.secp384r1
]

const ENCAPSULATION_KEY = ml_kem768.lengths.publicKey!
const CIPHERTEXT = ml_kem768.lengths.cipherText!

/** noble throws on what the other side sent wrong. */
const orUndefined = <A>(compute: () => A): A | undefined => {
  try {
    return compute()
  } catch {
    return undefined
  }
}

const x25519Share = (random: RandomBytes): KeyShare => {
  const scalar = random(32)
  return {
    group: NamedGroup.x25519,
    publicKey: x25519.getPublicKey(scalar),
    // noble refuses bad lengths and the all-zero result (RFC 8446 §7.4.2)
    agree: (peerShare) => orUndefined(() => x25519.getSharedSecret(scalar, peerShare))
  }
}

const ecdhShare = (group: NamedGroup, random: RandomBytes): KeyShare => {
  const curve = group === NamedGroup.secp256r1 ? p256 : p384
  const size = curve.lengths.secretKey!
  let scalar = random(size)
  while (!curve.utils.isValidSecretKey(scalar)) scalar = random(size) // not below the curve's order
  return {
    group,
    publicKey: curve.getPublicKey(scalar, false),
    agree: (peerShare) => {
      // RFC 8446 §4.2.8.2: uncompressed points only
      if (peerShare.length !== 1 + 2 * size || peerShare[0] !== 4) return undefined
      // RFC 8446 §7.4.2: the secret is the x coordinate
      return orUndefined(() => curve.getSharedSecret(scalar, peerShare, false).slice(1, 1 + size))
    }
  }
}

/** draft-ietf-tls-ecdhe-mlkem §3: ML-KEM first, then X25519, in shares and in the secret. */
const hybridShare = (random: RandomBytes): KeyShare => {
  const kem = ml_kem768.keygen(random(64))
  const classic = x25519Share(random)
  return {
    group: NamedGroup.x25519MlKem768,
    publicKey: concat(kem.publicKey, classic.publicKey),
    agree: (peerShare) => {
      if (peerShare.length !== CIPHERTEXT + 32) return undefined
      const classicSecret = classic.agree(peerShare.subarray(CIPHERTEXT))
      if (classicSecret === undefined) return undefined
      return concat(ml_kem768.decapsulate(peerShare.subarray(0, CIPHERTEXT), kem.secretKey), classicSecret)
    }
  }
}

const hybridRespond = (
  clientShare: Uint8Array,
  random: RandomBytes
): ReturnType<CryptoSuiteShape["respond"]> => {
  if (clientShare.length !== ENCAPSULATION_KEY + 32) return undefined
  const classic = x25519Share(random)
  const classicSecret = classic.agree(clientShare.subarray(ENCAPSULATION_KEY))
  // noble checks the encapsulation key as FIPS 203 §7.2 requires
  const kem =
    classicSecret &&
    orUndefined(() => ml_kem768.encapsulate(clientShare.subarray(0, ENCAPSULATION_KEY), random(32)))
  if (classicSecret === undefined || kem === undefined) return undefined
  return {
    publicKey: concat(kem.cipherText, classic.publicKey),
    secret: concat(kem.sharedSecret, classicSecret)
  }
}

export const keyShare: CryptoSuiteShape["keyShare"] = (group, random) =>
  group === NamedGroup.x25519
    ? x25519Share(random)
    : group === NamedGroup.x25519MlKem768
      ? hybridShare(random)
      : ecdhShare(group, random)

export const respond: CryptoSuiteShape["respond"] = (group, clientShare, random) => {
  if (group === NamedGroup.x25519MlKem768) return hybridRespond(clientShare, random)
  const share = keyShare(group, random)
  const secret = share.agree(clientShare)
  return secret === undefined ? undefined : { publicKey: share.publicKey, secret }
}
