/** Comparison and text of bytes that are not secret; `CryptoSuite.equal` compares secrets in constant time. */

export const sameBytes = (a: Uint8Array, b: Uint8Array): boolean => sameRange(a, b, 0, b.length)

/** Whether `bytes[start, end)` equals `known`. */
export const sameRange = (known: Uint8Array, bytes: Uint8Array, start: number, end: number): boolean => {
  if (known.length !== end - start) return false
  for (let i = 0; i < known.length; i++) if (known[i] !== bytes[start + i]) return false
  return true
}

/** `bytes[start, end)`, each the character of its number. */
export const latin1 = (bytes: Uint8Array, start = 0, end = bytes.length): string => {
  let text = ""
  for (let i = start; i < end; i++) text += String.fromCharCode(bytes[i])
  return text
}
