import type { CryptoSuiteShape, RandomBytes } from "../capability/CryptoSuite.ts"
import { AEAD_TAG_BYTES } from "./CipherSuite.ts"

const SALT_BYTES = 32
/** Each key seals once. */
const NONCE = new Uint8Array(12)

/** How much longer bytes are once sealed, without their prefix. */
export const SEALED_OVERHEAD = SALT_BYTES + AEAD_TAG_BYTES

/** The key of these bytes alone: AES-GCM is broken by a nonce that repeats, which random ones of 12 bytes may. */
const keyOf = (suite: CryptoSuiteShape, secret: Uint8Array, salt: Uint8Array) =>
  suite.aead("aes-256-gcm", suite.hmac("sha256", secret, salt))

/**
 * Encrypts bytes for storage with AES-256-GCM: `prefix`, which is authenticated but stays readable, salt, ciphertext.
 * `secret`: at least 32 unpredictable bytes, for this purpose only.
 */
export const sealBytes = (
  suite: CryptoSuiteShape,
  random: RandomBytes,
  secret: Uint8Array,
  prefix: Uint8Array,
  plaintext: Uint8Array
): Uint8Array => {
  const salt = random(SALT_BYTES)
  const start = prefix.length + SALT_BYTES
  const sealed = new Uint8Array(start + plaintext.length + AEAD_TAG_BYTES)
  sealed.set(prefix)
  sealed.set(salt, prefix.length)
  sealed.set(plaintext, start)
  const key = keyOf(suite, secret, salt)
  key.seal(NONCE, sealed, 0, start, start + plaintext.length)
  key.release?.()
  return sealed
}

/** The plaintext of bytes with a prefix of that length; undefined if they are damaged or were sealed with another secret. */
export const openBytes = (
  suite: CryptoSuiteShape,
  secret: Uint8Array,
  sealed: Uint8Array,
  prefixLength: number
): Uint8Array | undefined => {
  const start = prefixLength + SALT_BYTES
  if (sealed.length < start + AEAD_TAG_BYTES) return undefined
  const bytes = sealed.slice()
  const key = keyOf(suite, secret, bytes.slice(prefixLength, start))
  const isAuthentic = key.open(NONCE, bytes, 0, start, bytes.length)
  key.release?.()
  if (!isAuthentic) return undefined
  return bytes.subarray(start, bytes.length - AEAD_TAG_BYTES)
}
