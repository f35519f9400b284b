/**
 * The encoded size of `packetNumber`, given the largest acknowledged one (−1 for none). RFC 9000 §17.1 #1 #2 #S1, §A.2
 */
export const packetNumberLength = (packetNumber: number, largestAcked: number): 1 | 2 | 3 | 4 => {
  const range = 2 * (packetNumber - largestAcked)
  return range < 0x100 ? 1 : range < 0x1_0000 ? 2 : range < 0x100_0000 ? 3 : 4
}

/** How many numbers a packet number of so many bytes tells apart. A power each time costs more than all the rest. */
const WINDOWS = [1, 2 ** 8, 2 ** 16, 2 ** 24, 2 ** 32] as const

/** Expands the `length`-byte `truncated` to the full packet number nearest to the expected one. RFC 9000 §A.3 */
export const decodePacketNumber = (largestReceived: number, truncated: number, length: number): number => {
  const expected = largestReceived + 1
  const window = WINDOWS[length]
  const half = window / 2
  const candidate = Math.floor(expected / window) * window + truncated
  if (candidate <= expected - half && candidate < Number.MAX_SAFE_INTEGER - window) return candidate + window
  if (candidate > expected + half && candidate >= window) return candidate - window
  return candidate
}
