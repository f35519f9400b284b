/** Key agreement on OpenSSL, with private keys derived from the given randomness. RFC 8446 §4.2.8 */
import * as crypto from "node:crypto"
import { type KeyShare, NamedGroup, type RandomBytes } from "../../../src/capability/CryptoSuite.ts"
import { keyAgreement } from "../../keys/keyAgreement.ts"
import { bareKeys } from "./bareKeys.ts"
import { decapsulationKey, encapsulate } from "./mlKem768.ts"

const keys = bareKeys[0]

const x25519Share = (random: RandomBytes): KeyShare => {
  const privateKey = keys.privateKey("x25519", random(32))
  return {
    group: NamedGroup.x25519,
    publicKey: keys.publicBytes("x25519", privateKey),
    agree: (peerShare) => {
      if (peerShare.length !== 32) return undefined
      try {
        const publicKey = keys.publicKey("x25519", peerShare)
        const secret = new Uint8Array(crypto.diffieHellman({ privateKey, publicKey }))
        return secret.some((byte) => byte !== 0) ? secret : undefined // RFC 8446 §7.4.2
      } catch {
        return undefined // OpenSSL itself rejects an all-zero result
      }
    }
  }
}

/** On P-256 or P-384. */
export const ecdhShare = (group: NamedGroup, random: RandomBytes): KeyShare => {
  const size = group === NamedGroup.secp256r1 ? 32 : 48
  const ecdh = crypto.createECDH(group === NamedGroup.secp256r1 ? "prime256v1" : "secp384r1")
  setScalar(ecdh, size, random)
  return {
    group,
    publicKey: new Uint8Array(ecdh.getPublicKey()),
    agree: (peerShare) => {
      // RFC 8446 §4.2.8.2: uncompressed points only
      if (peerShare.length !== 1 + 2 * size || peerShare[0] !== 4) return undefined
      try {
        return new Uint8Array(ecdh.computeSecret(peerShare))
      } catch {
        return undefined // not on the curve
      }
    }
  }
}

/** Rejection sampling: draws until the scalar is below the curve's order, nearly always once. */
export const setScalar = (ecdh: crypto.ECDH, size: number, random: RandomBytes): Uint8Array => {
  for (;;) {
    const scalar = random(size)
    try {
      ecdh.setPrivateKey(scalar)
      return scalar
    } catch {}
  }
}

export const { groups, keyShare, respond } = keyAgreement({
  x25519Share,
  ecdhShare,
  decapsulationKey,
  encapsulate
})
