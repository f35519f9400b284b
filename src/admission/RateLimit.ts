/**
 * A token bucket: `perSecond` on average, and up to `burst` at once.
 *
 * It is charged before the work it limits, and costs a few multiplications.
 */
export class RateLimit {
  private readonly perMicro: number
  readonly burst: number
  private tokens: number
  private refilledMicros = 0

  constructor(perSecond: number, burst: number) {
    this.perMicro = perSecond / 1_000_000
    this.burst = burst
    this.tokens = burst
  }

  /** Takes one; false when no more than `reserve` is left, which is kept for others. */
  take(nowMicros: number, reserve = 0): boolean {
    const earned = (nowMicros - this.refilledMicros) * this.perMicro
    this.tokens = Math.min(this.burst, this.tokens + earned)
    this.refilledMicros = nowMicros
    if (this.tokens < reserve + 1) return false
    this.tokens--
    return true
  }
}
