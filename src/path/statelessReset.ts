import type { RandomBytes } from "../capability/CryptoSuite.ts"
import { RESET_TOKEN_BYTES } from "./connectionIdErrors.ts"

/** RFC 9000 §10.3: five bytes that look like a header, and the token. */
export const MIN_RESET_BYTES = 5 + RESET_TOKEN_BYTES
/** RFC 9000 §10.3: in answer to a packet longer than this, a reset cannot be told from a packet by its size. */
const INCONSPICUOUS_TRIGGER_BYTES = 43
/** Up to how many bytes resets differ in length, so that the length does not give them away. */
const LENGTH_VARIATION = 16

/**
 * How tokens are made from connection IDs: by a pseudorandom function keyed with a secret that outlives a restart, cut
 * to 16 bytes. RFC 9000 §10.3.2 #1 #3 #5
 */
export const resetTokens =
  (pseudorandom: (connectionId: Uint8Array) => Uint8Array): ((connectionId: Uint8Array) => Uint8Array) =>
  (connectionId) =>
    pseudorandom(connectionId).slice(0, RESET_TOKEN_BYTES)

/**
 * Whether a packet is large enough for an even smaller answer: or two without state would answer each other for ever.
 * RFC 9000 §10.3 #2, §10.3.3 #1
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
  reset[0] = (reset[0] & 0x3f) | 0x40 // RFC 9000 §10.3 #4 #S1: the fixed bits of a short header, and noise
  reset.set(token, size - RESET_TOKEN_BYTES)
  return reset
}

/**
 * Where in `bytes[start, end)`, a whole datagram, a stateless-reset token would be; -1 when it is too short for one.
 * Whether it is one, `PeerConnectionIds.isResetToken` says. RFC 9000 §10.3.1
 */
export const resetTokenOffset = (start: number, end: number): number =>
  // §10.3: any packet that ends in a token is a reset, whatever its first bits
  end - start < MIN_RESET_BYTES ? -1 : end - RESET_TOKEN_BYTES
