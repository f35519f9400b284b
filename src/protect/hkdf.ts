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

const prefix = "tls13 "
const MAX_FIELD = 255
/** Where the info of {@link hkdfExpandLabel} is put together, and views of its beginnings, as there are few lengths. */
const scratch = new Uint8Array(2 + 1 + MAX_FIELD + 1 + MAX_FIELD + 1)
const views: Array<Uint8Array | undefined> = new Array(scratch.length + 1).fill(undefined)

const beginning = (length: number): Uint8Array => (views[length] ??= scratch.subarray(0, length))

/** HKDF-Expand-Label; `label` without its "tls13 " prefix, at most 249 ASCII characters. RFC 8446 §7.1 */
export const hkdfExpandLabel = (
  suite: CryptoSuiteShape,
  hash: HashAlgorithm,
  secret: Uint8Array,
  label: string,
  context: Uint8Array,
  length: number
): Uint8Array => {
  const nameLength = prefix.length + label.length
  if (nameLength > MAX_FIELD || context.length > MAX_FIELD) {
    throw new RangeError("HKDF-Expand-Label: label and context are at most 255 bytes each, prefix included")
  }
  scratch[0] = length >> 8
  scratch[1] = length & 0xff
  scratch[2] = nameLength
  let end = 3
  for (let i = 0; i < prefix.length; i++) scratch[end++] = prefix.charCodeAt(i)
  for (let i = 0; i < label.length; i++) scratch[end++] = label.charCodeAt(i)
  scratch[end++] = context.length
  for (let i = 0; i < context.length; i++) scratch[end++] = context[i]
  if (length > hashLengths[hash]) return hkdfExpand(suite, hash, secret, beginning(end), length)
  // nearly always one block: the counter of HKDF-Expand is all that follows
  scratch[end++] = 1
  const block = suite.hmac(hash, secret, beginning(end))
  return length === block.length ? block : block.slice(0, length)
}
