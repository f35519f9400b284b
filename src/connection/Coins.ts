import type { RandomBytes } from "../capability/CryptoSuite.ts"

/** Random bits fetched at a time: four bytes' worth. */
const BATCH = 32

/**
 * Random values for header bits without meaning, so that nobody comes to rely on them. RFC 9000 §17.4, RFC 9287 §3.1
 */
export class Coins {
  private readonly random: RandomBytes
  private coins = 0
  private left = 0

  constructor(random: RandomBytes) {
    this.random = random
  }

  toss(): boolean {
    if (this.left === 0) {
      const [a, b, c, d] = this.random(BATCH / 8)
      this.coins = (a << 24) | (b << 16) | (c << 8) | d
      this.left = BATCH
    }
    const coin = this.coins & 1
    this.coins >>>= 1
    this.left--
    return coin === 1
  }
}
