/**
 * HalfSipHash-1-3 of `bytes[start, end)` as a signed 32-bit number, for hash tables; the key is two 32-bit halves.
 *
 * A table keyed by bytes from strangers needs an unpredictable hash, or they choose bytes that collide. SipHash was
 * made for that; this variant uses 32-bit arithmetic and the one and three rounds that hash tables use. It does not
 * authenticate: lookups compare all bytes.
 * Aumasson & Bernstein, "SipHash: a fast short-input PRF", §7
 */
export const keyedHash = (
  keyLow: number,
  keyHigh: number,
  bytes: Uint8Array,
  start: number,
  end: number
): number => {
  let v0 = keyLow
  let v1 = keyHigh
  let v2 = 0x6c796765 ^ keyLow
  let v3 = 0x74656462 ^ keyHigh
  const length = end - start
  // whole words, then the last bytes with the length on top, then the finalisation
  const words = (length >> 2) + 1
  for (let i = 0, at = start; i < words + 3; i++) {
    let word = 0
    if (i < words - 1) {
      word = bytes[at] | (bytes[at + 1] << 8) | (bytes[at + 2] << 16) | (bytes[at + 3] << 24)
      at += 4
    } else if (i === words - 1) {
      word = length << 24
      for (let shift = 0; at < end; shift += 8) word |= bytes[at++] << shift
    } else if (i === words) v2 ^= 0xff
    v3 ^= word
    v0 = (v0 + v1) | 0
    v1 = (v1 << 5) | (v1 >>> 27)
    v1 ^= v0
    v0 = (v0 << 16) | (v0 >>> 16)
    v2 = (v2 + v3) | 0
    v3 = (v3 << 8) | (v3 >>> 24)
    v3 ^= v2
    v0 = (v0 + v3) | 0
    v3 = (v3 << 7) | (v3 >>> 25)
    v3 ^= v0
    v2 = (v2 + v1) | 0
    v1 = (v1 << 13) | (v1 >>> 19)
    v1 ^= v2
    v2 = (v2 << 16) | (v2 >>> 16)
    v0 ^= word
  }
  return v1 ^ v3
}
