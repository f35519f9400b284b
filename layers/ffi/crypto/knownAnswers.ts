/**
 * What OpenSSL must answer before a part of it is used: the parameters it is called with are those of another version of
 * it, perhaps, and a wrong nonce would give the key away.
 */
import type { AeadAlgorithm, AeadKey, HeaderKey } from "../../../src/capability/CryptoSuite.ts"
import { AEAD_TAG_BYTES } from "../../../src/protect/CipherSuite.ts"
import type { Native } from "../native.ts"

// cold code runs slowly, and Buffer's is not: all of this takes a millisecond or two when a process begins
export const hex = (text: string): Uint8Array => Buffer.from(text, "hex")

export const equal = (a: Uint8Array, b: Uint8Array): boolean => Buffer.compare(a, b) === 0

interface Answer {
  readonly key: string
  readonly nonce: string
  readonly aad: string
  readonly plain: string
  readonly sealed: string
}

/** "The Galois/Counter Mode of Operation", test cases 4 and 16. */
const galois = {
  key: "feffe9928665731c6d6a8f9467308308",
  nonce: "cafebabefacedbaddecaf888",
  aad: "feedfacedeadbeeffeedfacedeadbeefabaddad2",
  plain:
    "d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a72" +
    "1c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b39"
}

const answers: { readonly [A in AeadAlgorithm]: Answer } = {
  "aes-128-gcm": {
    ...galois,
    sealed:
      "42831ec2217774244b7221b784d0d49ce3aa212f2c02a4e035c17e2329aca12e" +
      "21d514b25466931c7d8f6a5aac84aa051ba30b396a0aac973d58e0915bc94fbc3221a5db94fae95ae7121a47"
  },
  "aes-256-gcm": {
    ...galois,
    key: galois.key + galois.key,
    sealed:
      "522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa" +
      "8cb08e48590dbb3da7b08b1056828838c5f61e6393ba7a0abcc9f66276fc6ece0f4e1768cddf8853bb2d551b"
  },
  // RFC 8439 §2.8.2
  "chacha20-poly1305": {
    key: "808182838485868788898a8b8c8d8e8f909192939495969798999a9b9c9d9e9f",
    nonce: "070000004041424344454647",
    aad: "50515253c0c1c2c3c4c5c6c7",
    plain:
      "4c616469657320616e642047656e746c656d656e206f662074686520636c6173" +
      "73206f66202739393a204966204920636f756c64206f6666657220796f75206f" +
      "6e6c79206f6e652074697020666f7220746865206675747572652c2073756e73" +
      "637265656e20776f756c642062652069742e",
    sealed:
      "d31a8d34648e60db7b86afbc53ef7ec2a4aded51296e08fea9e2b5a736ee62d6" +
      "3dbea45e8ca9671282fafb69da92728b1a71de0a9e060b2905d6a5b67ecd3b36" +
      "92ddbd7f2d778b8c9803aee328091b58fab324e4fad675945585808b4831d7bc" +
      "3ff4def08e4b7a9de576d26586cec64b61161ae10b594f09e26a7e902ecbd0600691"
  }
}

/** FIPS 197 §C.1, §C.3: one block. */
const blocks = {
  "aes-128-gcm": { key: "000102030405060708090a0b0c0d0e0f", mask: "69c4e0d86a" },
  "aes-256-gcm": {
    key: "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f",
    mask: "8ea2b7ca51"
  }
} as const

/** Why the AEAD must not be used; undefined if everything is as it should be, on the stage and in pinned memory. */
export const aeadFault = (
  native: Native,
  algorithm: AeadAlgorithm,
  makeKey: (key: Uint8Array) => AeadKey
): string | undefined => {
  const answer = answers[algorithm]
  const key = makeKey(hex(answer.key))
  const length = (answer.aad.length + answer.sealed.length) / 2
  const fault =
    faultIn(key, answer, new Uint8Array(length + 1), 1) ??
    faultIn(key, answer, native.pin(length + 1).bytes, 1)
  key.release?.()
  return fault
}

/** Every step twice, so that what one packet leaves behind would spoil the next. */
const faultIn = (
  key: AeadKey,
  { nonce, aad, plain, sealed }: Answer,
  buffer: Uint8Array,
  aadStart: number
): string | undefined => {
  const number = hex(nonce)
  const other = number.map((byte) => byte ^ 1)
  const expected = hex(sealed)
  const payloadStart = aadStart + aad.length / 2
  const payloadEnd = payloadStart + plain.length / 2
  const sealedEnd = payloadEnd + AEAD_TAG_BYTES
  buffer.set(hex(aad), aadStart)
  for (const nonce of [number, other, number]) {
    buffer.set(hex(plain), payloadStart)
    key.seal(nonce, buffer, aadStart, payloadStart, payloadEnd)
    if (equal(buffer.subarray(payloadStart), expected) !== (nonce === number)) return "what it seals is wrong"
  }
  for (const forged of [aadStart, sealedEnd - 1, payloadStart]) {
    buffer[forged] ^= 1
    const before = buffer.slice()
    if (key.open(number, buffer, aadStart, payloadStart, sealedEnd)) return "it opens what is forged"
    if (!equal(buffer, before)) return "it changes what is forged"
    buffer[forged] ^= 1
  }
  if (key.open(other, buffer, aadStart, payloadStart, sealedEnd)) return "it ignores the nonce"
  if (!key.open(number, buffer, aadStart, payloadStart, sealedEnd))
    return "it does not open what is authentic"
  return equal(buffer.subarray(payloadStart, payloadEnd), hex(plain)) ? undefined : "what it opens is wrong"
}

/** Why the header protection must not be used. */
export const headerFault = (
  algorithm: keyof typeof blocks,
  makeKey: (key: Uint8Array) => HeaderKey
): string | undefined => {
  const { key: bytes, mask: expected } = blocks[algorithm]
  const key = makeKey(hex(bytes))
  const sample = Uint8Array.from({ length: 17 }, (_, i) => (i === 0 ? 0xee : (i - 1) * 0x11))
  const mask = new Uint8Array(5)
  for (const _ of [1, 2]) {
    key.mask(sample, 1, mask)
    if (!equal(mask, hex(expected))) return "its masks are wrong"
  }
  key.release?.()
  return undefined
}
