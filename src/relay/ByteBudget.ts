/**
 * What a client may send: a rate, and bytes kept for when it sends at once. It may go into debt by as much again, as what
 * is on its way when reading stops still arrives.
 */
export class ByteBudget {
  private readonly perMicro: number
  private readonly burst: number
  private tokens: number
  private refilledMicros: number

  constructor(bytesPerSecond: number, burst: number, nowMicros: number) {
    this.perMicro = bytesPerSecond / 1_000_000
    this.burst = burst
    this.tokens = burst
    this.refilledMicros = nowMicros
  }

  /** False for what is not covered, not even by debt; it costs nothing then. */
  take(bytes: number, nowMicros: number): boolean {
    this.refill(nowMicros)
    if (this.tokens - bytes < -this.burst) return false
    this.tokens -= bytes
    return true
  }

  get isSpent(): boolean {
    return this.tokens < 0
  }

  /** When the debt is paid and an eighth of the burst is there again. */
  get restoredMicros(): number {
    return this.refilledMicros + Math.ceil((this.burst / 8 - this.tokens) / this.perMicro)
  }

  private refill(nowMicros: number): void {
    const earned = Math.max(0, nowMicros - this.refilledMicros) * this.perMicro
    this.tokens = Math.min(this.burst, this.tokens + earned)
    this.refilledMicros = Math.max(this.refilledMicros, nowMicros)
  }
}
