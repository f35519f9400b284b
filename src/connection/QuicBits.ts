import type { RandomBytes } from "../capability/CryptoSuite.ts"

/** Coins fetched at a time, in four random bytes. */
const BATCH = 32

/** A coin for each packet: whether its QUIC bit is cleared, so that nobody on the way comes to rely on it. RFC 9287 §3.1 */
export class QuicBits {
  private readonly random: RandomBytes
  private coins = 0
  private left = 0

  constructor(random: RandomBytes) {
    this.random = random
  }

  /** 0x40 to clear a bit that is set, or 0. */
  take(): 0 | 0x40 {
    if (this.left === 0) {
      const [a, b, c, d] = this.random(BATCH / 8)
      this.coins = (a << 24) | (b << 16) | (c << 8) | d
      this.left = BATCH
    }
    const coin = this.coins & 1
    this.coins >>>= 1
    this.left--
    return coin === 1 ? 0x40 : 0
  }
}
