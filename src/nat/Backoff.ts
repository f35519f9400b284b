import type { RandomBytes } from "../internal/RandomBytes.ts"

const LEAST_MILLIS = 1_000
const MOST_MILLIS = 30_000

/** The wait before another attempt: 1 s, doubled after each failure, up to 30 s; a quarter more or less, so that peers do not meet in step. */
export class Backoff {
  private readonly random: RandomBytes
  private failures = 0

  constructor(random: RandomBytes) {
    this.random = random
  }

  /** After another failure. */
  nextMillis(): number {
    const base = Math.min(MOST_MILLIS, LEAST_MILLIS * 2 ** this.failures)
    this.failures++
    const [high, low] = this.random(2)
    const jitter = 0.75 + ((high << 8) | low) / 2 ** 17
    return Math.min(MOST_MILLIS, Math.max(LEAST_MILLIS, Math.round(base * jitter)))
  }

  reset(): void {
    this.failures = 0
  }
}
