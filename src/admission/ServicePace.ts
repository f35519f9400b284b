/** One that took longer was held up by something else. */
const MAX_SAMPLE_MICROS = 50_000
/** Fewer say nothing yet: the first few are slow in a process that has just started. */
const LEAST_SAMPLES = 8
/** So many, more or less, are averaged. */
const SAMPLES = 32

/** How long a client that waits keeps those behind it waiting, with everything else that goes on meanwhile. */
export class ServicePace {
  private average = 0
  private samples = 0
  private lastMicros = Number.NaN

  /** 0 until enough have had to wait. */
  get microsEach(): number {
    return this.samples < LEAST_SAMPLES ? 0 : this.average
  }

  /** One has its turn; `othersWait`: so the time until the next turn is what one takes. */
  onTurn(nowMicros: number, othersWait: boolean): void {
    const sample = Math.min(MAX_SAMPLE_MICROS, nowMicros - this.lastMicros)
    if (!Number.isNaN(sample)) {
      this.samples = Math.min(SAMPLES, this.samples + 1)
      this.average += (sample - this.average) / this.samples
    }
    this.lastMicros = othersWait ? nowMicros : Number.NaN
  }
}
