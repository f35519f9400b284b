const FIRST_MILLIS = 1_000
const MOST_MILLIS = 30_000

/**
 * When something that failed is tried again: after 1 s, twice as long after each failure, up to 30 s; a quarter more or less,
 * so that peers do not meet in step.
 */
export class Backoff {
  /** At once, at first. */
  atMillis = 0
  private readonly random: () => number
  private failures = 0

  /** `random` is from 0 to 1. */
  constructor(random: () => number) {
    this.random = random
  }

  isDue(nowMillis: number): boolean {
    return nowMillis >= this.atMillis
  }

  /** It is tried now. */
  next(nowMillis: number): void {
    this.atMillis = nowMillis + this.nextMillis()
  }

  /** The wait after another failure. */
  nextMillis(): number {
    const base = Math.min(MOST_MILLIS, FIRST_MILLIS * 2 ** Math.min(this.failures++, 10))
    const varied = Math.round(base * (0.75 + 0.5 * this.random()))
    return Math.min(MOST_MILLIS, Math.max(FIRST_MILLIS, varied))
  }

  /** It has worked. */
  reset(): void {
    this.failures = 0
  }
}
