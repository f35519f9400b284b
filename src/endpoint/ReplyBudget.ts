/** The burst, and the rate per second, of stateless replies. */
const BURST = 64
const PER_MICRO = 500 / 1_000_000

/**
 * Rate limit for datagrams sent without a connection: under a flood they are dropped first, so that the endpoint is
 * useless for reflection. RFC 9000 §6.1, §10.3
 */
export class ReplyBudget {
  private tokens = BURST
  private refilledMicros = 0

  /** Takes one reply out of the budget; false when it is exhausted. */
  take(nowMicros: number): boolean {
    this.tokens = Math.min(BURST, this.tokens + (nowMicros - this.refilledMicros) * PER_MICRO)
    this.refilledMicros = nowMicros
    if (this.tokens < 1) return false
    this.tokens--
    return true
  }
}
