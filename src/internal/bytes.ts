/** Comparison of bytes that are not secret; `CryptoSuite.equal` compares secrets in constant time. */

export const sameBytes = (a: Uint8Array, b: Uint8Array): boolean => sameRange(a, b, 0, b.length)

/** Whether `bytes[start, end)` equals `known`. */
export const sameRange = (known: Uint8Array, bytes: Uint8Array, start: number, end: number): boolean => {
  if (known.length !== end - start) return false
  for (let i = 0; i < known.length; i++) if (known[i] !== bytes[start + i]) return false
  return true
}
