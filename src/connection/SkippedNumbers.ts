import type { RandomBytes } from "../capability/CryptoSuite.ts"

/** The least distance between skipped packet numbers. */
const LEAST = 32
const SPREAD = 1024

/**
 * Skips unpredictable packet numbers: a peer that acknowledges packets it has not received, to make us send faster,
 * eventually acknowledges one of these. RFC 9000 §21.4
 */
export class SkippedNumbers {
  private readonly random: RandomBytes
  private next: number

  constructor(random: RandomBytes) {
    this.random = random
    this.next = this.distance()
  }

  /** Whether `packetNumber`, the next in line, has to be skipped. */
  isDue(packetNumber: number): boolean {
    if (packetNumber < this.next) return false
    this.next = packetNumber + this.distance()
    return true
  }

  private distance(): number {
    const [high, low] = this.random(2)
    return LEAST + (((high << 8) | low) % SPREAD)
  }
}
