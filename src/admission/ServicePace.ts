/** Longer samples are discarded: something else held them up. */
const MAX_SAMPLE_MICROS = 50_000
/** Fewer samples say nothing: the first few are slow in a new process. */
const MIN_SAMPLES = 8
/** The averaging window, in samples. */
const SAMPLES = 32

/** Estimates the service time per waiting client, including everything else that runs meanwhile. */
export class ServicePace {
  private average = 0
  private samples = 0
  private lastMicros = Number.NaN

  /** 0 until there are enough samples. */
  get microsEach(): number {
    return this.samples < MIN_SAMPLES ? 0 : this.average
  }

  /** A client is served; `othersWait`: the time until the next turn is then one service time. */
  onTurn(nowMicros: number, othersWait: boolean): void {
    const sample = Math.min(MAX_SAMPLE_MICROS, nowMicros - this.lastMicros)
    if (!Number.isNaN(sample)) {
      this.samples = Math.min(SAMPLES, this.samples + 1)
      this.average += (sample - this.average) / this.samples
    }
    this.lastMicros = othersWait ? nowMicros : Number.NaN
  }

  /** Whoever waits, waits for handshakes in flight: the time until the next turn is not spent on service. */
  pause(): void {
    this.lastMicros = Number.NaN
  }
}
