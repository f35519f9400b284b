import type { RandomBytes } from "../capability/CryptoSuite.ts"

/** Coins fetched at a time, in four random bytes. */
const BATCH = 32

/** Coins for the bits of a packet that mean nothing, and must not seem to. RFC 9000 §17.4, RFC 9287 §3.1 */
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
