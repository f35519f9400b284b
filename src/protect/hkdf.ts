import type { CryptoSuiteShape, HashAlgorithm } from "../capability/CryptoSuite.ts"

export const hashLengths: { readonly [H in HashAlgorithm]: number } = { sha256: 32, sha384: 48, sha512: 64 }

/** HKDF-Extract: HMAC with the salt as the key. RFC 5869 §2.2 */
export const hkdfExtract = (
  suite: CryptoSuiteShape,
  hash: HashAlgorithm,
  salt: Uint8Array,
  inputKeyingMaterial: Uint8Array
): Uint8Array => suite.hmac(hash, salt, inputKeyingMaterial)

/** HKDF-Expand; at most 255 blocks, as its counter is a byte. RFC 5869 §2.3 */
export const hkdfExpand = (
  suite: CryptoSuiteShape,
  hash: HashAlgorithm,
  pseudorandomKey: Uint8Array,
  info: Uint8Array,
  length: number
): Uint8Array => {
  if (length > 255 * hashLengths[hash]) throw new RangeError(`HKDF-Expand: ${length} bytes exceed 255 blocks`)
  const out = new Uint8Array(length)
  let block: Uint8Array = new Uint8Array(0)
  for (let filled = 0, counter = 1; filled < length; counter++) {
    const input = new Uint8Array(block.length + info.length + 1)
    input.set(block)
    input.set(info, block.length)
    input[input.length - 1] = counter
    block = suite.hmac(hash, pseudorandomKey, input)
    out.set(block.subarray(0, Math.min(block.length, length - filled)), filled)
    filled += block.length
  }
  return out
}

/** HKDF-Expand-Label; `label` without its "tls13 " prefix, at most 249 ASCII characters. RFC 8446 §7.1 */
export const hkdfExpandLabel = (
  suite: CryptoSuiteShape,
  hash: HashAlgorithm,
  secret: Uint8Array,
  label: string,
  context: Uint8Array,
  length: number
): Uint8Array => {
  const name = `tls13 ${label}`
  if (name.length > 255 || context.length > 255) {
    throw new RangeError("HKDF-Expand-Label: label and context are at most 255 bytes each, prefix included")
  }
  // with room for the counter of HKDF-Expand
  const info = new Uint8Array(2 + 1 + name.length + 1 + context.length + 1)
  info[0] = length >> 8
  info[1] = length & 0xff
  info[2] = name.length
  for (let i = 0; i < name.length; i++) info[3 + i] = name.charCodeAt(i)
  info[3 + name.length] = context.length
  info.set(context, 4 + name.length)
  const end = info.length - 1
  if (length > hashLengths[hash]) return hkdfExpand(suite, hash, secret, info.subarray(0, end), length)
  // nearly always one block, whose input this is already
  info[end] = 1
  const block = suite.hmac(hash, secret, info)
  return length === block.length ? block : block.slice(0, length)
}
