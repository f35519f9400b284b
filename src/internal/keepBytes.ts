/**
 * Copies of short byte strings that a connection holds for as long as it lives: IDs, tokens, secrets. Dozens share a
 * buffer, as a typed array with a buffer of its own takes 120 bytes more. A buffer lives as long as the last of them.
 */

const PAGE_BYTES = 2048
/** A longer one gets a buffer of its own. */
const SHORT_BYTES = 64

let page = new Uint8Array(0)
let used = 0

/** A copy of `bytes[start, end)`. */
export const keepBytes = (bytes: Uint8Array, start = 0, end: number = bytes.length): Uint8Array => {
  const length = end - start
  if (length > SHORT_BYTES) return bytes.slice(start, end)
  if (used + length > page.length) {
    page = new Uint8Array(PAGE_BYTES)
    used = 0
  }
  const kept = page.subarray(used, (used += length))
  for (let i = 0; i < length; i++) kept[i] = bytes[start + i]
  return kept
}
