/** Key agreement on `@noble/curves` and `@noble/post-quantum`. RFC 8446 §4.2.8, draft-ietf-tls-ecdhe-mlkem */
import { x25519 } from "@noble/curves/ed25519.js"
import { p256, p384 } from "@noble/curves/nist.js"
import { ml_kem768 } from "@noble/post-quantum/ml-kem.js"
import { type KeyShare, NamedGroup, type RandomBytes } from "../../src/capability/CryptoSuite.ts"
import { keyAgreement } from "../keys/keyAgreement.ts"

/** noble throws on invalid input from the peer. */
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
    // noble rejects wrong lengths and the all-zero result (RFC 8446 §7.4.2)
    agree: (peerShare) => orUndefined(() => x25519.getSharedSecret(scalar, peerShare))
  }
}

const ecdhShare = (group: NamedGroup, random: RandomBytes): KeyShare => {
  const curve = group === NamedGroup.secp256r1 ? p256 : p384
  const size = curve.lengths.secretKey!
  let scalar = random(size)
  while (!curve.utils.isValidSecretKey(scalar)) scalar = random(size) // rejection sampling: must be below the curve's order
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

export const { groups, keyShare, respond } = keyAgreement({
  x25519Share,
  ecdhShare,
  decapsulationKey: (seed) => {
    const { publicKey, secretKey } = ml_kem768.keygen(seed)
    return {
      encapsulationKey: publicKey,
      decapsulate: (ciphertext) => ml_kem768.decapsulate(ciphertext, secretKey)
    }
  },
  // noble checks the encapsulation key as FIPS 203 §7.2 requires
  encapsulate: (encapsulationKey, random) =>
    orUndefined(() => {
      const { cipherText, sharedSecret } = ml_kem768.encapsulate(encapsulationKey, random(32))
      return { ciphertext: cipherText, sharedSecret }
    })
})
