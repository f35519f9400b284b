/** Signatures on OpenSSL. ECDSA and RSA-PSS signatures take their randomness from OpenSSL; Ed25519 needs none. */
import * as crypto from "node:crypto"
import {
  type CryptoSuiteShape,
  type HashAlgorithm,
  SignatureScheme,
  type SigningKey
} from "../../../src/capability/CryptoSuite.ts"
import { concat, encodePkcs8, encodeSpki, type KeyKind } from "../../keys/keyEncodings.ts"
import { publicKeyKind, type PublicKeyKind } from "../../keys/publicKey.ts"
import { Recent } from "../../../src/internal/Recent.ts"
import { setScalar } from "./nodeKeyAgreement.ts"

interface Scheme {
  readonly keyKind: PublicKeyKind
  readonly hash: HashAlgorithm | null
}

const schemes = new Map<SignatureScheme, Scheme>([
  [SignatureScheme.ecdsa_secp256r1_sha256, { keyKind: "p256", hash: "sha256" }],
  [SignatureScheme.ecdsa_secp384r1_sha384, { keyKind: "p384", hash: "sha384" }],
  [SignatureScheme.ed25519, { keyKind: "ed25519", hash: null }],
  [SignatureScheme.rsa_pss_rsae_sha256, { keyKind: "rsa", hash: "sha256" }],
  [SignatureScheme.rsa_pss_rsae_sha384, { keyKind: "rsa", hash: "sha384" }],
  [SignatureScheme.rsa_pss_rsae_sha512, { keyKind: "rsa", hash: "sha512" }]
])

export const signatureSchemes: ReadonlyArray<SignatureScheme> = [...schemes.keys()]

/** Options of Node's sign and verify; RSA-PSS salts have the length of the hash (RFC 8446 §4.2.3). */
const signOptions = (scheme: Scheme, key: crypto.KeyObject) =>
  scheme.keyKind === "rsa"
    ? {
        key,
        padding: crypto.constants.RSA_PKCS1_PSS_PADDING,
        saltLength: crypto.constants.RSA_PSS_SALTLEN_DIGEST
      }
    : { key }

export const signingKey = (pkcs8: Uint8Array): SigningKey | undefined => {
  let key: crypto.KeyObject
  let spki: Uint8Array
  try {
    key = crypto.createPrivateKey({ key: Buffer.from(pkcs8), format: "der", type: "pkcs8" })
    spki = spkiOf(key)
  } catch {
    return undefined
  }
  const kind = publicKeyKind(spki)
  const usable = signatureSchemes.filter((codepoint) => schemes.get(codepoint)!.keyKind === kind)
  if (usable.length === 0) return undefined
  return {
    spki,
    schemes: usable,
    sign: (codepoint, data) => {
      const scheme = schemes.get(codepoint)!
      return new Uint8Array(crypto.sign(scheme.hash, data, signOptions(scheme, key)))
    }
  }
}

/** The canonical encoding; OpenSSL would keep a compressed point contained in the private key. */
const spkiOf = (privateKey: crypto.KeyObject): Uint8Array => {
  const key = crypto.createPublicKey(privateKey)
  const kind = curves.get(key.asymmetricKeyDetails?.namedCurve)
  if (kind !== undefined) {
    const { x, y } = key.export({ format: "jwk" })
    const point = [Uint8Array.of(4), Buffer.from(x!, "base64url"), Buffer.from(y!, "base64url")]
    return encodeSpki(kind, concat(...point))
  }
  return new Uint8Array(key.export({ format: "der", type: "spki" }))
}

const curves = new Map<string | undefined, KeyKind>([
  ["prime256v1", "p256"],
  ["secp384r1", "p384"]
])

/** Keys that have verified a signature, by their encoding: a client meets few servers, and those often. */
const recentKeys = new Recent<crypto.KeyObject>(32)

export const verify: CryptoSuiteShape["verify"] = (codepoint, spki, data, signature) => {
  const scheme = schemes.get(codepoint)
  if (scheme === undefined || publicKeyKind(spki) !== scheme.keyKind) return false
  const encoded = Buffer.from(spki)
  const name = encoded.toString("latin1")
  try {
    const known = recentKeys.get(name)
    const key = known ?? crypto.createPublicKey({ key: encoded, format: "der", type: "spki" })
    const isValid = crypto.verify(scheme.hash, data, signOptions(scheme, key), signature)
    if (isValid && known === undefined) recentKeys.set(name, key)
    return isValid
  } catch {
    return false // not a point, or not a signature
  }
}

export const generateSigningKey: CryptoSuiteShape["generateSigningKey"] = (kind, random) =>
  encodePkcs8(kind, kind === "ed25519" ? random(32) : setScalar(crypto.createECDH("prime256v1"), 32, random))
