/** Signatures on `@noble/curves`: Ed25519 (RFC 8032) and ECDSA with deterministic nonces (RFC 6979). */
import { ed25519 } from "@noble/curves/ed25519.js"
import { p256, p384 } from "@noble/curves/nist.js"
import { type CryptoSuiteShape, SignatureScheme, type SigningKey } from "../../src/capability/CryptoSuite.ts"
import { decodePkcs8, decodeSpki, encodePkcs8, encodeSpki, type KeyKind } from "../keys/keyEncodings.ts"

interface Algorithm {
  publicKey(privateKey: Uint8Array): Uint8Array
  sign(data: Uint8Array, privateKey: Uint8Array): Uint8Array
  verify(signature: Uint8Array, data: Uint8Array, publicKey: Uint8Array): boolean
}

// TLS signs the scheme's hash and encodes as DER (RFC 8446 §4.2.3); p256 hashes with SHA-256, p384 with SHA-384.
// TLS also accepts an s above half the order.
const ecdsaOptions = { format: "der", prehash: true, lowS: false } as const

const ecdsa = (curve: typeof p256): Algorithm => ({
  publicKey: (privateKey) => curve.getPublicKey(privateKey, false),
  sign: (data, privateKey) => curve.sign(data, privateKey, ecdsaOptions),
  verify: (signature, data, publicKey) => curve.verify(signature, data, publicKey, ecdsaOptions)
})

const algorithms: { readonly [K in KeyKind]: Algorithm } = {
  ed25519: {
    publicKey: (privateKey) => ed25519.getPublicKey(privateKey),
    sign: (data, privateKey) => ed25519.sign(data, privateKey),
    // the rules of RFC 8032 §5.1.7 and OpenSSL, not the laxer ones of ZIP 215
    verify: (signature, data, publicKey) => ed25519.verify(signature, data, publicKey, { zip215: false })
  },
  p256: ecdsa(p256),
  p384: ecdsa(p384)
}

const kindOfScheme = new Map<SignatureScheme, KeyKind>([
  [SignatureScheme.ecdsa_secp256r1_sha256, "p256"],
  [SignatureScheme.ecdsa_secp384r1_sha384, "p384"],
  [SignatureScheme.ed25519, "ed25519"]
])

/** No RSA, as noble does not implement it. */
export const signatureSchemes: ReadonlyArray<SignatureScheme> = [...kindOfScheme.keys()]

export const signingKey = (pkcs8: Uint8Array): SigningKey | undefined => {
  const key = decodePkcs8(pkcs8)
  if (key === undefined) return undefined
  const { publicKey, sign } = algorithms[key.kind]
  let spki: Uint8Array
  try {
    spki = encodeSpki(key.kind, publicKey(key.bytes))
  } catch {
    return undefined // the scalar is zero or not below the curve's order
  }
  return {
    spki,
    schemes: signatureSchemes.filter((scheme) => kindOfScheme.get(scheme) === key.kind),
    sign: (_scheme, data) => sign(data, key.bytes) // each kind of key has one scheme
  }
}

export const verify: CryptoSuiteShape["verify"] = (scheme, spki, data, signature) => {
  const kind = kindOfScheme.get(scheme)
  const key = decodeSpki(spki)
  if (key === undefined || key.kind !== kind) return false
  try {
    return algorithms[key.kind].verify(signature, data, key.bytes)
  } catch {
    return false // not a point, or not a signature
  }
}

export const generateSigningKey: CryptoSuiteShape["generateSigningKey"] = (kind, random) => {
  let privateKey = random(32)
  while (kind === "p256" && !p256.utils.isValidSecretKey(privateKey)) privateKey = random(32)
  return encodePkcs8(kind, privateKey)
}
