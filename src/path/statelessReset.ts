import type { RandomBytes } from "../capability/CryptoSuite.ts"
import { RESET_TOKEN_BYTES } from "./connectionIdErrors.ts"

/** RFC 9000 §10.3: five bytes that look like a short header, and the token. */
export const MIN_RESET_BYTES = 5 + RESET_TOKEN_BYTES
/** RFC 9000 §10.3: in answer to a packet longer than this, the size of a reset does not reveal it. */
const INCONSPICUOUS_TRIGGER_BYTES = 43
/** Resets vary in length by up to this many bytes, so that the length does not reveal them. */
const LENGTH_VARIATION = 16

/**
 * Derives tokens from connection IDs: a pseudorandom function with a secret that survives restarts, truncated to
 * 16 bytes. RFC 9000 §10.3.2 #1 #3 #5
 */
export const resetTokens =
  (pseudorandom: (connectionId: Uint8Array) => Uint8Array): ((connectionId: Uint8Array) => Uint8Array) =>
  (connectionId) =>
    pseudorandom(connectionId).slice(0, RESET_TOKEN_BYTES)

/**
 * Whether a packet is large enough for a smaller answer; otherwise two endpoints without state would answer each other
 * forever. RFC 9000 §10.3 #2, §10.3.3 #1
 */
export const isAnswerable = (triggerBytes: number): boolean => triggerBytes > MIN_RESET_BYTES

/** The answer to an answerable packet of `triggerBytes` that belongs to no connection. RFC 9000 §10.3 */
export const buildStatelessReset = (
  triggerBytes: number,
  token: Uint8Array,
  random: RandomBytes
): Uint8Array => {
  const largest = triggerBytes - 1
  const noise = random(INCONSPICUOUS_TRIGGER_BYTES + LENGTH_VARIATION)
  // RFC 9000 §10.3 #S3
  const wanted =
    triggerBytes <= INCONSPICUOUS_TRIGGER_BYTES
      ? largest
      : INCONSPICUOUS_TRIGGER_BYTES - 1 + (noise[noise.length - 1] % LENGTH_VARIATION)
  const size = Math.min(wanted, largest)
  const reset = noise.slice(0, size)
  reset[0] = (reset[0] & 0x3f) | 0x40 // RFC 9000 §10.3 #4 #S1: the fixed bits of a short header, the rest random
  reset.set(token, size - RESET_TOKEN_BYTES)
  return reset
}

/**
 * The offset of a possible stateless reset token in the datagram `bytes[start, end)`; -1 when it is too short.
 * `PeerConnectionIds.isResetToken` tells whether it is one. RFC 9000 §10.3.1
 */
export const resetTokenOffset = (start: number, end: number): number =>
  // §10.3: any packet that ends in a token is a reset, whatever its first bits
  end - start < MIN_RESET_BYTES ? -1 : end - RESET_TOKEN_BYTES
