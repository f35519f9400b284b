/** Hashes and HMAC on OpenSSL. */
import * as crypto from "node:crypto"
import type { HashAlgorithm, RunningHash } from "../../../src/capability/CryptoSuite.ts"

export const hash = (algorithm: HashAlgorithm, data: Uint8Array): Uint8Array => {
  const digest = crypto.hash(algorithm, data, "latin1")
  const bytes = new Uint8Array(digest.length)
  copyLatin1(digest, bytes, 0)
  return bytes
}

export const runningHash = (algorithm: HashAlgorithm): RunningHash => {
  const running = crypto.createHash(algorithm)
  return {
    update: (data) => void running.update(data),
    digest: () => new Uint8Array(running.copy().digest())
  }
}

/** Bytes of a block, which keys are padded to. RFC 2104 §2 */
const blockBytes: { readonly [H in HashAlgorithm]: number } = { sha256: 64, sha384: 128, sha512: 128 }
/** More than the key schedule ever authenticates at once. */
const MAX_DATA = 512

/** The key's pad and the data, and the other pad and their hash; used within one call. */
const inner = new Uint8Array(128 + MAX_DATA)
const outer = new Uint8Array(128 + 64)

/**
 * From two hashes at once: a third of the time of `createHmac`, whose native object has to be collected as well. A digest
 * costs least as a string. RFC 2104
 */
export const hmac = (algorithm: HashAlgorithm, key: Uint8Array, data: Uint8Array): Uint8Array => {
  const block = blockBytes[algorithm]
  if (key.length > block || data.length > MAX_DATA)
    return new Uint8Array(crypto.createHmac(algorithm, key).update(data).digest())
  for (let i = 0; i < key.length; i++) {
    inner[i] = key[i] ^ 0x36
    outer[i] = key[i] ^ 0x5c
  }
  inner.fill(0x36, key.length, block)
  outer.fill(0x5c, key.length, block)
  inner.set(data, block)
  const digest = crypto.hash(algorithm, inner.subarray(0, block + data.length), "latin1")
  copyLatin1(digest, outer, block)
  return hash(algorithm, outer.subarray(0, block + digest.length))
}

const copyLatin1 = (text: string, into: Uint8Array, at: number): void => {
  for (let i = 0; i < text.length; i++) into[at + i] = text.charCodeAt(i)
}
