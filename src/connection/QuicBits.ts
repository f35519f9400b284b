import type { RandomBytes } from "../capability/CryptoSuite.ts"

/** Random bytes fetched at a time: eight packets each. */
const BATCH = 16

/** A coin for each packet: whether its QUIC bit is cleared, so that nobody on the way comes to rely on it. RFC 9287 §3.1 */
export class QuicBits {
  private readonly random: RandomBytes
  private batch: Uint8Array = new Uint8Array(0)
  private used = 0

  constructor(random: RandomBytes) {
    this.random = random
  }

  /** 0x40 to clear a bit that is set, or 0. */
  take(): 0 | 0x40 {
    if (this.used === 8 * this.batch.length) {
      this.batch = this.random(BATCH)
      this.used = 0
    }
    const bit = (this.batch[this.used >> 3] >> (this.used & 7)) & 1
    this.used++
    return bit === 1 ? 0x40 : 0
  }
}
