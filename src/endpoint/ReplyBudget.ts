/** Replies that may leave at once, and how many more every second. */
const BURST = 64
const PER_MICRO = 500 / 1_000_000

/**
 * How many datagrams the endpoint sends on behalf of no connection: under a flood they are the first to go, so that
 * it is of no use for reflection. RFC 9000 §6.1, §10.3
 */
export class ReplyBudget {
  private tokens = BURST
  private refilledMicros = 0

  /** Takes one reply out of the budget; false when it is used up. */
  take(nowMicros: number): boolean {
    this.tokens = Math.min(BURST, this.tokens + (nowMicros - this.refilledMicros) * PER_MICRO)
    this.refilledMicros = nowMicros
    if (this.tokens < 1) return false
    this.tokens--
    return true
  }
}
