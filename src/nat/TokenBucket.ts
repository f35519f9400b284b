/** What summing up fractions may be short of. */
const ROUNDING = 1e-6

/** Tokens that come at a steady rate up to a number kept, and are taken several at a time. */
export class TokenBucket {
  private readonly capacity: number
  private readonly perMicro: number
  private tokens: number
  private refilledMicros = 0

  constructor(capacity: number, perMicro: number) {
    this.capacity = capacity
    this.perMicro = perMicro
    this.tokens = capacity
  }

  /** Whether `amount` can be taken now; more than the capacity never can. */
  has(amount: number, nowMicros: number): boolean {
    this.refill(nowMicros)
    return this.tokens >= amount - ROUNDING
  }

  /** Only what `has` has confirmed. */
  take(amount: number): void {
    this.tokens -= amount
  }

  /** When `amount` can be taken, if nothing else is. */
  whenMicros(amount: number, nowMicros: number): number {
    if (amount > this.capacity) return Number.POSITIVE_INFINITY
    this.refill(nowMicros)
    return nowMicros + Math.ceil(Math.max(0, amount - this.tokens) / this.perMicro)
  }

  private refill(nowMicros: number): void {
    const earned = Math.max(0, nowMicros - this.refilledMicros) * this.perMicro
    this.tokens = Math.min(this.capacity, this.tokens + earned)
    this.refilledMicros = Math.max(this.refilledMicros, nowMicros)
  }
}
