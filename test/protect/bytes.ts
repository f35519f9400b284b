import type { RandomBytes } from "../../src/capability/CryptoSuite.ts"

export const hex = (text: string): Uint8Array =>
  Uint8Array.from(text.replace(/\s/g, "").match(/../g) ?? [], (byte) => Number.parseInt(byte, 16))

export const toHex = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex")

/** Reproducible pseudo-random bytes (mulberry32). */
export const seeded = (seed: number): RandomBytes => {
  let state = seed >>> 0
  return (length) =>
    Uint8Array.from({ length }, () => {
      state = (state + 0x6d2b79f5) >>> 0
      let t = Math.imul(state ^ (state >>> 15), state | 1)
      t = (t + Math.imul(t ^ (t >>> 7), t | 61)) ^ t
      return ((t ^ (t >>> 14)) >>> 24) & 0xff
    })
}

/** `bytes` with one bit flipped in the byte at `at`. */
export const flipped = (bytes: Uint8Array, at: number, bit = 0): Uint8Array => {
  const copy = Uint8Array.from(bytes)
  copy[at] ^= 1 << bit
  return copy
}
