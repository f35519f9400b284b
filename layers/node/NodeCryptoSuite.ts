/** `CryptoSuite` on `node:crypto`: OpenSSL's AES and ChaCha20 for packets, its curves and signatures for TLS. */
import * as Layer from "effect/Layer"
import * as crypto from "node:crypto"
import {
  type AeadAlgorithm,
  type AeadKey,
  CryptoSuite,
  type CryptoSuiteShape,
  type HashAlgorithm,
  type HeaderKey,
  type KeyShare,
  NamedGroup,
  type RandomBytes,
  SignatureScheme,
  type SigningKey
} from "../../src/capability/CryptoSuite.ts"

const TAG = 16

class NodeAeadKey implements AeadKey {
  private readonly algorithm: crypto.CipherGCMTypes
  private readonly key: Uint8Array

  constructor(algorithm: AeadAlgorithm, key: Uint8Array) {
    // node's types know the AEAD interface of GCM only; ChaCha20-Poly1305 has the same
    this.algorithm = algorithm as crypto.CipherGCMTypes
    this.key = key
  }

  seal(
    nonce: Uint8Array,
    buffer: Uint8Array,
    aadStart: number,
    payloadStart: number,
    payloadEnd: number
  ): void {
    const cipher = crypto.createCipheriv(this.algorithm, this.key, nonce, aeadOptions)
    cipher.setAAD(buffer.subarray(aadStart, payloadStart))
    const sealed = cipher.update(buffer.subarray(payloadStart, payloadEnd))
    cipher.final()
    buffer.set(sealed, payloadStart)
    buffer.set(cipher.getAuthTag(), payloadEnd)
  }

  open(
    nonce: Uint8Array,
    buffer: Uint8Array,
    aadStart: number,
    payloadStart: number,
    sealedEnd: number
  ): boolean {
    const payloadEnd = sealedEnd - TAG
    if (payloadEnd < payloadStart) return false
    const decipher = crypto.createDecipheriv(this.algorithm, this.key, nonce, aeadOptions)
    decipher.setAuthTag(buffer.subarray(payloadEnd, sealedEnd))
    decipher.setAAD(buffer.subarray(aadStart, payloadStart))
    const opened = decipher.update(buffer.subarray(payloadStart, payloadEnd))
    try {
      decipher.final()
    } catch {
      return false // the one way node tells that the tag is wrong
    }
    buffer.set(opened, payloadStart)
    return true
  }
}

const aeadOptions = { authTagLength: TAG } as const

/** AES-ECB kept open: one block in, one block out, no state between. RFC 9001 §5.4.3 */
class AesHeaderKey implements HeaderKey {
  private readonly cipher: crypto.Cipheriv

  constructor(algorithm: AeadAlgorithm, key: Uint8Array) {
    this.cipher = crypto.createCipheriv(
      algorithm === "aes-128-gcm" ? "aes-128-ecb" : "aes-256-ecb",
      key,
      null
    )
    this.cipher.setAutoPadding(false)
  }

  mask(buffer: Uint8Array, offset: number, mask: Uint8Array): void {
    const block = this.cipher.update(buffer.subarray(offset, offset + 16))
    for (let i = 0; i < 5; i++) mask[i] = block[i]
  }
}

const zeros = new Uint8Array(5)

/** RFC 9001 §5.4.4: the sample is counter and nonce, in OpenSSL's order. */
class ChaChaHeaderKey implements HeaderKey {
  private readonly key: Uint8Array

  constructor(key: Uint8Array) {
    this.key = key
  }

  mask(buffer: Uint8Array, offset: number, mask: Uint8Array): void {
    const cipher = crypto.createCipheriv("chacha20", this.key, buffer.subarray(offset, offset + 16))
    mask.set(cipher.update(zeros))
  }
}

const bytes = (buffer: Buffer): Uint8Array =>
  new Uint8Array(buffer.buffer, buffer.byteOffset, buffer.byteLength)
const hex = (text: string): Uint8Array => bytes(Buffer.from(text, "hex"))
const concat = (...parts: ReadonlyArray<Uint8Array>): Uint8Array => bytes(Buffer.concat(parts))

// — key agreement ——————————————————————————————————————————————————————————————————————————————————————————————

// RFC 8410: what stands before the 32 bytes of an X25519 key
const x25519Pkcs8 = hex("302e020100300506032b656e04220420")
const x25519Spki = hex("302a300506032b656e032100")

const x25519Share = (random: RandomBytes): KeyShare => {
  const privateKey = crypto.createPrivateKey({
    key: Buffer.from(concat(x25519Pkcs8, random(32))),
    format: "der",
    type: "pkcs8"
  })
  const spki = crypto.createPublicKey(privateKey).export({ format: "der", type: "spki" })
  return {
    group: NamedGroup.x25519,
    publicKey: bytes(spki).slice(x25519Spki.length),
    agree: (peerShare) => {
      if (peerShare.length !== 32) return undefined
      try {
        const publicKey = crypto.createPublicKey({
          key: Buffer.from(concat(x25519Spki, peerShare)),
          format: "der",
          type: "spki"
        })
        const secret = bytes(crypto.diffieHellman({ privateKey, publicKey }))
        return secret.some((byte) => byte !== 0) ? secret : undefined // RFC 8446 §7.4.2
      } catch {
        return undefined // OpenSSL refuses points of small order itself
      }
    }
  }
}

const ecdhCurves = new Map<NamedGroup, { readonly curve: string; readonly size: number }>([
  [NamedGroup.secp256r1, { curve: "prime256v1", size: 32 }],
  [NamedGroup.secp384r1, { curve: "secp384r1", size: 48 }]
])

const ecdhShare = (group: NamedGroup, random: RandomBytes): KeyShare => {
  const { curve, size } = ecdhCurves.get(group)!
  const ecdh = crypto.createECDH(curve)
  for (;;) {
    try {
      ecdh.setPrivateKey(random(size))
      break
    } catch {
      // not below the curve's order: one chance in 2^32 at most
    }
  }
  return {
    group,
    publicKey: bytes(ecdh.getPublicKey()),
    agree: (peerShare) => {
      // RFC 8446 §4.2.8.2: uncompressed points only
      if (peerShare.length !== 1 + 2 * size || peerShare[0] !== 4) return undefined
      try {
        return bytes(ecdh.computeSecret(peerShare))
      } catch {
        return undefined // not on the curve
      }
    }
  }
}

// — ML-KEM-768, which node has from version 24.7 on ———————————————————————————————————————————————————————————

interface MlKem {
  generateKeyPairSync(type: "ml-kem-768"): { publicKey: crypto.KeyObject; privateKey: crypto.KeyObject }
  encapsulate(key: crypto.KeyObject): { sharedKey: Buffer; ciphertext: Buffer }
  decapsulate(key: crypto.KeyObject, ciphertext: Uint8Array): Buffer
}

const mlKem = "encapsulate" in crypto ? (crypto as unknown as MlKem) : undefined

// draft-ietf-lamps-kyber-certificates: ML-KEM-768 is 2.16.840.1.101.3.4.4.2; a private key can be given as its 64-byte seed
const mlKemSpki = hex("308204b2300b0609608648016503040402038204a100")
const mlKemPkcs8 = hex("3054020100300b060960864801650304040204428040")
const ML_KEM_PUBLIC = 1184
const ML_KEM_CIPHERTEXT = 1088

/** draft-ietf-tls-ecdhe-mlkem §3: ML-KEM first, then X25519, in shares and in the secret. */
const hybridShare = (random: RandomBytes): KeyShare => {
  const privateKey = crypto.createPrivateKey({
    key: Buffer.from(concat(mlKemPkcs8, random(64))),
    format: "der",
    type: "pkcs8"
  })
  const spki = bytes(crypto.createPublicKey(privateKey).export({ format: "der", type: "spki" }))
  const classic = x25519Share(random)
  return {
    group: NamedGroup.x25519MlKem768,
    publicKey: concat(spki.subarray(spki.length - ML_KEM_PUBLIC), classic.publicKey),
    agree: (peerShare) => {
      if (peerShare.length !== ML_KEM_CIPHERTEXT + 32) return undefined
      const classicSecret = classic.agree(peerShare.subarray(ML_KEM_CIPHERTEXT))
      if (classicSecret === undefined) return undefined
      return concat(
        bytes(mlKem!.decapsulate(privateKey, peerShare.subarray(0, ML_KEM_CIPHERTEXT))),
        classicSecret
      )
    }
  }
}

const hybridRespond: CryptoSuiteShape["respond"] = (_group, clientShare, random) => {
  if (clientShare.length !== ML_KEM_PUBLIC + 32) return undefined
  const classic = x25519Share(random)
  const classicSecret = classic.agree(clientShare.subarray(ML_KEM_PUBLIC))
  if (classicSecret === undefined) return undefined
  try {
    const publicKey = crypto.createPublicKey({
      key: Buffer.from(concat(mlKemSpki, clientShare.subarray(0, ML_KEM_PUBLIC))),
      format: "der",
      type: "spki"
    })
    const { sharedKey, ciphertext } = mlKem!.encapsulate(publicKey)
    return {
      publicKey: concat(bytes(ciphertext), classic.publicKey),
      secret: concat(bytes(sharedKey), classicSecret)
    }
  } catch {
    return undefined // an encapsulation key that fails the check of FIPS 203 §7.2
  }
}

const keyShare: CryptoSuiteShape["keyShare"] = (group, random) =>
  group === NamedGroup.x25519
    ? x25519Share(random)
    : group === NamedGroup.x25519MlKem768
      ? hybridShare(random)
      : ecdhShare(group, random)

// — signatures —————————————————————————————————————————————————————————————————————————————————————————————————

interface Scheme {
  readonly keyType: string
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

const fits = ({ keyType, curve }: Scheme, key: crypto.KeyObject): boolean =>
  key.asymmetricKeyType === keyType && (curve === undefined || key.asymmetricKeyDetails?.namedCurve === curve)

/** What node's sign and verify take for a scheme; RSA-PSS salts are as long as the hash (RFC 8446 §4.2.3). */
const signOptions = (scheme: Scheme, key: crypto.KeyObject) =>
  scheme.keyType === "rsa"
    ? {
        key,
        padding: crypto.constants.RSA_PKCS1_PSS_PADDING,
        saltLength: crypto.constants.RSA_PSS_SALTLEN_DIGEST
      }
    : { key }

const signingKey = (pkcs8: Uint8Array): SigningKey | undefined => {
  let key: crypto.KeyObject
  try {
    key = crypto.createPrivateKey({ key: Buffer.from(pkcs8), format: "der", type: "pkcs8" })
  } catch {
    return undefined
  }
  const usable = [...schemes].filter(([, scheme]) => fits(scheme, key)).map(([codepoint]) => codepoint)
  if (usable.length === 0) return undefined
  return {
    spki: bytes(crypto.createPublicKey(key).export({ format: "der", type: "spki" })),
    schemes: usable,
    sign: (codepoint, data) => {
      const scheme = schemes.get(codepoint)!
      return bytes(crypto.sign(scheme.hash, data, signOptions(scheme, key)))
    }
  }
}

const verify: CryptoSuiteShape["verify"] = (codepoint, spki, data, signature) => {
  const scheme = schemes.get(codepoint)
  if (scheme === undefined) return false
  try {
    const key = crypto.createPublicKey({ key: Buffer.from(spki), format: "der", type: "spki" })
    return fits(scheme, key) && crypto.verify(scheme.hash, data, signOptions(scheme, key), signature)
  } catch {
    return false // not a key, or not a signature
  }
}

const ed25519Pkcs8 = hex("302e020100300506032b657004220420")
// RFC 5915 inside RFC 5208 for P-256, without the optional public key
const p256Pkcs8 = hex("3041020100301306072a8648ce3d020106082a8648ce3d030107042730250201010420")

const generateSigningKey: CryptoSuiteShape["generateSigningKey"] = (kind, random) => {
  if (kind === "ed25519") return concat(ed25519Pkcs8, random(32))
  const ecdh = crypto.createECDH("prime256v1")
  for (;;) {
    const scalar = random(32)
    try {
      ecdh.setPrivateKey(scalar)
    } catch {
      continue // not below the curve's order
    }
    return concat(p256Pkcs8, scalar)
  }
}

// ——————————————————————————————————————————————————————————————————————————————————————————————————————————————

const classicGroups = [NamedGroup.x25519, NamedGroup.secp256r1, NamedGroup.secp384r1]

/** The suite itself, for code outside Effect. */
export const suite: CryptoSuiteShape = {
  name: "node",
  groups: mlKem === undefined ? classicGroups : [NamedGroup.x25519MlKem768, ...classicGroups],
  signatureSchemes: [...schemes.keys()],
  aead: (algorithm, key) => new NodeAeadKey(algorithm, key),
  headerProtection: (algorithm, key) =>
    algorithm === "chacha20-poly1305" ? new ChaChaHeaderKey(key) : new AesHeaderKey(algorithm, key),
  hash: (algorithm, data) => bytes(crypto.hash(algorithm, data, "buffer")),
  runningHash: (algorithm) => {
    const hash = crypto.createHash(algorithm)
    return { update: (data) => void hash.update(data), digest: () => bytes(hash.copy().digest()) }
  },
  hmac: (algorithm, key, data) => bytes(crypto.createHmac(algorithm, key).update(data).digest()),
  keyShare,
  respond: (group, clientShare, random) => {
    if (group === NamedGroup.x25519MlKem768) return hybridRespond(group, clientShare, random)
    const share = keyShare(group, random)
    const secret = share.agree(clientShare)
    return secret === undefined ? undefined : { publicKey: share.publicKey, secret }
  },
  signingKey,
  generateSigningKey,
  verify,
  equal: (a, b) => a.length === b.length && crypto.timingSafeEqual(a, b)
}

/** `CryptoSuite` on `node:crypto`. */
export const layer: Layer.Layer<CryptoSuite> = Layer.succeed(CryptoSuite, suite)
