/**
 * ML-KEM-768 (FIPS 203): OpenSSL's on Node 24.7 and later, otherwise noble's. OpenSSL's encapsulation takes no randomness
 * but its own, so noble, which needs five times as long, encapsulates with any other: simulated runs must be reproducible.
 */
import * as crypto from "node:crypto"
import { ml_kem768 } from "@noble/post-quantum/ml-kem.js"
import type { RandomBytes } from "../../../src/capability/CryptoSuite.ts"
import type { DecapsulationKey, Encapsulated } from "../../keys/keyAgreement.ts"
import { nodeEntropy } from "../NodeEntropy.ts"
import { bareKeys } from "./bareKeys.ts"

const keys = bareKeys[0]

const nobleKey = (seed: Uint8Array): DecapsulationKey => {
  const { publicKey, secretKey } = ml_kem768.keygen(seed)
  return {
    encapsulationKey: publicKey,
    decapsulate: (ciphertext) => ml_kem768.decapsulate(ciphertext, secretKey)
  }
}

type Decapsulate = (key: crypto.KeyObject, ciphertext: Uint8Array) => Buffer

const nodeKey =
  (decapsulate: Decapsulate) =>
  (seed: Uint8Array): DecapsulationKey => {
    const privateKey = keys.privateKey("ml-kem-768", seed)
    return {
      encapsulationKey: keys.publicBytes("ml-kem-768", privateKey),
      decapsulate: (ciphertext) => decapsulate(privateKey, ciphertext)
    }
  }

type NodeEncapsulate = (key: crypto.KeyObject) => { readonly ciphertext: Buffer; readonly sharedKey: Buffer }

const available: { readonly decapsulate?: Decapsulate; readonly encapsulate?: NodeEncapsulate } = crypto

/** All available implementations, best first; the same seed yields the same key. */
export const implementations: ReadonlyArray<(seed: Uint8Array) => DecapsulationKey> =
  available.decapsulate === undefined ? [nobleKey] : [nodeKey(available.decapsulate), nobleKey]

export const decapsulationKey = implementations[0]

const encapsulateWith = (encapsulate: NodeEncapsulate, encapsulationKey: Uint8Array): Encapsulated => {
  const { ciphertext, sharedKey } = encapsulate(keys.publicKey("ml-kem-768", encapsulationKey))
  return { ciphertext: new Uint8Array(ciphertext), sharedSecret: new Uint8Array(sharedKey) }
}

/** Undefined if the key fails the check of FIPS 203 §7.2, for which both throw. */
export const encapsulate = (encapsulationKey: Uint8Array, random: RandomBytes): Encapsulated | undefined => {
  try {
    // the system's randomness is OpenSSL's own
    if (available.encapsulate !== undefined && random === nodeEntropy.randomBytes)
      return encapsulateWith(available.encapsulate, encapsulationKey)
    const { cipherText, sharedSecret } = ml_kem768.encapsulate(encapsulationKey, random(32))
    return { ciphertext: cipherText, sharedSecret }
  } catch {
    return undefined
  }
}
