/** Base32 with the extended hex alphabet in lower case, without padding: what n0 calls base32-dnssec. RFC 4648 §7 */

const alphabet = "0123456789abcdefghijklmnopqrstuv"
const values = new Map([...alphabet].map((character, value) => [character, value]))

export const encodeBase32 = (bytes: Uint8Array): string => {
  let text = ""
  let bits = 0
  let held = 0
  for (const byte of bytes) {
    held = ((held << 8) | byte) & 0xfff
    for (bits += 8; bits >= 5; ) {
      bits -= 5
      text += alphabet[(held >> bits) & 31]
    }
  }
  return bits === 0 ? text : text + alphabet[(held << (5 - bits)) & 31]
}

/** Undefined when it is not what `encodeBase32` returns for any bytes: every value has one text. */
export const decodeBase32 = (text: string): Uint8Array | undefined => {
  const bytes = new Uint8Array((text.length * 5) >> 3)
  let length = 0
  let bits = 0
  let held = 0
  for (const character of text) {
    const value = values.get(character)
    if (value === undefined) return undefined
    held = ((held << 5) | value) & 0xfff
    bits += 5
    if (bits < 8) continue
    bits -= 8
    bytes[length++] = held >> bits
  }
  const isWhole = bits < 5 && (held & ((1 << bits) - 1)) === 0
  return isWhole ? bytes : undefined
}
