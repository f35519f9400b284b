const FIRST_MILLIS = 1_000
const MOST_MILLIS = 30_000

/** When something that failed is tried again: after a second, then ever later, up to half a minute, varied by a fifth. */
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
    const delay = Math.min(MOST_MILLIS, FIRST_MILLIS * 2 ** Math.min(this.failures++, 10))
    this.atMillis = nowMillis + delay * (0.8 + 0.4 * this.random())
  }

  /** It has worked. */
  reset(): void {
    this.failures = 0
  }
}
