/**
 * ML-KEM-768 (FIPS 203): OpenSSL's on Node 24.7 and later, otherwise noble's. OpenSSL's encapsulation takes no randomness
 * but its own, so noble, which needs five times as long, encapsulates with any other: simulated runs must be reproducible.
 */
import * as crypto from "node:crypto"
import { ml_kem768 } from "@noble/post-quantum/ml-kem.js"
import type { RandomBytes } from "../../../src/capability/CryptoSuite.ts"
import {
  type DecapsulationKey,
  ENCAPSULATION_KEY_LENGTH,
  type Encapsulated
} from "../../keys/keyAgreement.ts"
import { concat } from "../../keys/keyEncodings.ts"
import { nodeEntropy } from "../NodeEntropy.ts"

const nobleKey = (seed: Uint8Array): DecapsulationKey => {
  const { publicKey, secretKey } = ml_kem768.keygen(seed)
  return {
    encapsulationKey: publicKey,
    decapsulate: (ciphertext) => ml_kem768.decapsulate(ciphertext, secretKey)
  }
}

type Decapsulate = (key: crypto.KeyObject, ciphertext: Uint8Array) => Buffer

// RFC 9935: id-alg-ml-kem-768 in PKCS #8, with the private key as a seed
const seedPrefix = Buffer.from("3054020100300b060960864801650304040204428040", "hex")

const nodeKey =
  (decapsulate: Decapsulate) =>
  (seed: Uint8Array): DecapsulationKey => {
    const key = Buffer.from(concat(seedPrefix, seed))
    const privateKey = crypto.createPrivateKey({ key, format: "der", type: "pkcs8" })
    const spki = crypto.createPublicKey(privateKey).export({ format: "der", type: "spki" })
    return {
      encapsulationKey: new Uint8Array(spki.subarray(spki.length - ENCAPSULATION_KEY_LENGTH)),
      decapsulate: (ciphertext) => decapsulate(privateKey, ciphertext)
    }
  }

type NodeEncapsulate = (key: crypto.KeyObject) => { readonly ciphertext: Buffer; readonly sharedKey: Buffer }

const available: { readonly decapsulate?: Decapsulate; readonly encapsulate?: NodeEncapsulate } = crypto

/** All available implementations, best first; the same seed yields the same key. */
export const implementations: ReadonlyArray<(seed: Uint8Array) => DecapsulationKey> =
  available.decapsulate === undefined ? [nobleKey] : [nodeKey(available.decapsulate), nobleKey]

export const decapsulationKey = implementations[0]

// RFC 9935 §4: id-alg-ml-kem-768 in SubjectPublicKeyInfo
const spkiPrefix = Buffer.from("308204b2300b0609608648016503040402038204a100", "hex")

const encapsulateWith = (encapsulate: NodeEncapsulate, encapsulationKey: Uint8Array): Encapsulated => {
  const key = concat(spkiPrefix, encapsulationKey)
  const { ciphertext, sharedKey } = encapsulate(
    crypto.createPublicKey({ key: Buffer.from(key.buffer), format: "der", type: "spki" })
  )
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
