import { hchacha } from "@noble/ciphers/chacha.js"
import type { HeaderKey } from "../../src/capability/CryptoSuite.ts"

/** The 32-bit word at `bytes[at]`. */
export const littleEndianWord = (bytes: Uint8Array, at: number): number =>
  bytes[at] | (bytes[at + 1] << 8) | (bytes[at + 2] << 16) | (bytes[at + 3] << 24)

/** The first five bytes of two little-endian words. */
export const writeMask = (mask: Uint8Array, first: number, second: number): void => {
  mask[0] = first
  mask[1] = first >>> 8
  mask[2] = first >>> 16
  mask[3] = first >>> 24
  mask[4] = second
}

/** "expa" "nd 3" "2-by" "te k". RFC 8439 §2.3 */
const sigma = Uint32Array.of(0x61707865, 0x3320646e, 0x79622d32, 0x6b206574)

/**
 * One ChaCha20 block with counter and nonce from the sample. RFC 9001 §5.4.4
 *
 * Used on Node too: the block costs a tenth of opening a Node cipher, and ChaCha20 has no lookup tables that could leak
 * through timing.
 *
 * noble's stream cipher rejects the maximum counter, which any sender can choose. HChaCha20 performs the same rounds
 * without the final addition, so we add the first words ourselves.
 */
export class ChaChaHeaderKey implements HeaderKey {
  private readonly key: Uint32Array
  private readonly sample = new Uint32Array(4)
  private readonly rounds = new Uint32Array(8)

  constructor(key: Uint8Array) {
    this.key = Uint32Array.from({ length: 8 }, (_, i) => littleEndianWord(key, 4 * i))
  }

  mask(buffer: Uint8Array, offset: number, mask: Uint8Array): void {
    const { sample, rounds } = this
    for (let i = 0; i < 4; i++) sample[i] = littleEndianWord(buffer, offset + 4 * i)
    hchacha(sigma, this.key, sample, rounds)
    writeMask(mask, rounds[0] + sigma[0], rounds[1] + sigma[1])
  }
}
