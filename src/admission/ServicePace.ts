/** One that took longer was held up by something else. */
const MAX_SAMPLE_MICROS = 50_000
const WEIGHT = 1 / 8

/** How long a client that waits keeps those behind it waiting, with everything else that goes on meanwhile. */
export class ServicePace {
  /** 0 until somebody has had to wait. */
  microsEach = 0
  private lastMicros = Number.NaN

  /** One has its turn; `othersWait`: so the time until the next turn is what one takes. */
  onTurn(nowMicros: number, othersWait: boolean): void {
    const sample = Math.min(MAX_SAMPLE_MICROS, nowMicros - this.lastMicros)
    if (!Number.isNaN(sample))
      this.microsEach += this.microsEach === 0 ? sample : (sample - this.microsEach) * WEIGHT
    this.lastMicros = othersWait ? nowMicros : Number.NaN
  }
}
