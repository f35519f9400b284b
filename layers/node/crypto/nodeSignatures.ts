/** Signatures on OpenSSL. ECDSA and RSA-PSS signatures take their randomness from OpenSSL; Ed25519 needs none. */
import * as crypto from "node:crypto"
import {
  type CryptoSuiteShape,
  type HashAlgorithm,
  SignatureScheme,
  type SigningKey
} from "../../../src/capability/CryptoSuite.ts"
import { encodePkcs8 } from "../../keys/keyEncodings.ts"
import { setScalar } from "./nodeKeyAgreement.ts"

interface Scheme {
  readonly keyType: "ec" | "ed25519" | "rsa"
  readonly curve?: string
  readonly hash: HashAlgorithm | null
}

const schemes = new Map<SignatureScheme, Scheme>([
  [SignatureScheme.ecdsa_secp256r1_sha256, { keyType: "ec", curve: "prime256v1", hash: "sha256" }],
  [SignatureScheme.ecdsa_secp384r1_sha384, { keyType: "ec", curve: "secp384r1", hash: "sha384" }],
  [SignatureScheme.ed25519, { keyType: "ed25519", hash: null }],
  [SignatureScheme.rsa_pss_rsae_sha256, { keyType: "rsa", hash: "sha256" }],
  [SignatureScheme.rsa_pss_rsae_sha384, { keyType: "rsa", hash: "sha384" }],
  [SignatureScheme.rsa_pss_rsae_sha512, { keyType: "rsa", hash: "sha512" }]
])

export const signatureSchemes: ReadonlyArray<SignatureScheme> = [...schemes.keys()]

/** RFC 9325 §4.5 asks for 2048 bits; the larger the modulus, the longer a stranger's signature keeps us busy. */
const MIN_RSA_BITS = 2048
const MAX_RSA_BITS = 8192

const fits = (scheme: Scheme, key: crypto.KeyObject): boolean => {
  if (key.asymmetricKeyType !== scheme.keyType) return false
  const { namedCurve, modulusLength = 0 } = key.asymmetricKeyDetails ?? {}
  if (scheme.keyType === "ec") return namedCurve === scheme.curve
  return scheme.keyType !== "rsa" || (modulusLength >= MIN_RSA_BITS && modulusLength <= MAX_RSA_BITS)
}

/** What node's sign and verify take for a scheme; RSA-PSS salts are as long as the hash (RFC 8446 §4.2.3). */
const signOptions = (scheme: Scheme, key: crypto.KeyObject) =>
  scheme.keyType === "rsa"
    ? {
        key,
        padding: crypto.constants.RSA_PKCS1_PSS_PADDING,
        saltLength: crypto.constants.RSA_PSS_SALTLEN_DIGEST
      }
    : { key }

export const signingKey = (pkcs8: Uint8Array): SigningKey | undefined => {
  let key: crypto.KeyObject
  try {
    key = crypto.createPrivateKey({ key: Buffer.from(pkcs8), format: "der", type: "pkcs8" })
  } catch {
    return undefined
  }
  const usable = signatureSchemes.filter((codepoint) => fits(schemes.get(codepoint)!, key))
  if (usable.length === 0) return undefined
  return {
    spki: new Uint8Array(crypto.createPublicKey(key).export({ format: "der", type: "spki" })),
    schemes: usable,
    sign: (codepoint, data) => {
      const scheme = schemes.get(codepoint)!
      return new Uint8Array(crypto.sign(scheme.hash, data, signOptions(scheme, key)))
    }
  }
}

export const verify: CryptoSuiteShape["verify"] = (codepoint, spki, data, signature) => {
  const scheme = schemes.get(codepoint)
  if (scheme === undefined) return false
  try {
    const key = crypto.createPublicKey({ key: Buffer.from(spki), format: "der", type: "spki" })
    return fits(scheme, key) && crypto.verify(scheme.hash, data, signOptions(scheme, key), signature)
  } catch {
    return false // not a key, or not a signature
  }
}

export const generateSigningKey: CryptoSuiteShape["generateSigningKey"] = (kind, random) =>
  encodePkcs8(kind, kind === "ed25519" ? random(32) : setScalar(crypto.createECDH("prime256v1"), 32, random))
