import type { CryptoSuiteShape, HashAlgorithm } from "../capability/CryptoSuite.ts"

export const hashLengths: { readonly [H in HashAlgorithm]: number } = { sha256: 32, sha384: 48, sha512: 64 }

/** HKDF-Extract: HMAC with the salt as the key. RFC 5869 §2.2 */
export const hkdfExtract = (
  suite: CryptoSuiteShape,
  hash: HashAlgorithm,
  salt: Uint8Array,
  inputKeyingMaterial: Uint8Array
): Uint8Array => suite.hmac(hash, salt, inputKeyingMaterial)

/** HKDF-Expand. RFC 5869 §2.3 */
export const hkdfExpand = (
  suite: CryptoSuiteShape,
  hash: HashAlgorithm,
  pseudorandomKey: Uint8Array,
  info: Uint8Array,
  length: number
): Uint8Array => {
  const out = new Uint8Array(length)
  let block = new Uint8Array(0)
  for (let filled = 0, counter = 1; filled < length; counter++) {
    const input = new Uint8Array(block.length + info.length + 1)
    input.set(block)
    input.set(info, block.length)
    input[input.length - 1] = counter
    block = new Uint8Array(suite.hmac(hash, pseudorandomKey, input))
    out.set(block.subarray(0, Math.min(block.length, length - filled)), filled)
    filled += block.length
  }
  return out
}

const ascii = (text: string): Uint8Array => Uint8Array.from(text, (character) => character.charCodeAt(0))

/** HKDF-Expand-Label; `label` without its "tls13 " prefix. RFC 8446 §7.1 */
export const hkdfExpandLabel = (
  suite: CryptoSuiteShape,
  hash: HashAlgorithm,
  secret: Uint8Array,
  label: string,
  context: Uint8Array,
  length: number
): Uint8Array => {
  const name = ascii(`tls13 ${label}`)
  const info = new Uint8Array(2 + 1 + name.length + 1 + context.length)
  info[0] = length >> 8
  info[1] = length & 0xff
  info[2] = name.length
  info.set(name, 3)
  info[3 + name.length] = context.length
  info.set(context, 4 + name.length)
  return hkdfExpand(suite, hash, secret, info, length)
}
