/** How the detector judges silences. Durations in milliseconds. */
export interface PhiSettings {
  /** Expected between two heartbeats before any has been seen. */
  readonly firstEstimateMillis: number
  /** A silence that much longer than the mean is nothing unusual. */
  readonly acceptablePauseMillis: number
  /** Smallest standard deviation assumed: regular heartbeats would make every delay suspicious. */
  readonly minDeviationMillis: number
  /** Latest intervals taken into account. */
  readonly samples: number
}

/**
 * How sure we are that a silent peer is not alive: phi is −log10 of the probability that the next heartbeat still comes, by
 * the intervals before. 1 is wrong one time in ten, 8 one time in a hundred million. Hayashibara et al., "The φ accrual
 * failure detector" (2004), with normally distributed intervals, and a pause that is accepted, as in Akka.
 */
export class PhiAccrual {
  private readonly settings: PhiSettings
  /** A ring of the latest intervals. */
  private readonly intervals: Float64Array
  private next = 0
  private count = 0
  private sum = 0
  private squares = 0

  constructor(settings: PhiSettings) {
    this.settings = settings
    this.intervals = new Float64Array(Math.max(2, settings.samples))
    const { firstEstimateMillis } = settings
    // a spread of a quarter, until more is known
    this.add(firstEstimateMillis * 0.75)
    this.add(firstEstimateMillis * 1.25)
  }

  get meanMillis(): number {
    return this.sum / this.count
  }

  get deviationMillis(): number {
    const { meanMillis } = this
    const variance = Math.max(0, this.squares / this.count - meanMillis * meanMillis)
    return Math.max(Math.sqrt(variance), this.settings.minDeviationMillis)
  }

  /** A heartbeat arrived that long after the one before. */
  add(intervalMillis: number): void {
    const { intervals, next } = this
    if (this.count < intervals.length) this.count++
    intervals[next] = intervalMillis
    this.next = (next + 1) % intervals.length
    // summed anew: differences of large sums would lose what is small
    this.sum = 0
    this.squares = 0
    for (let i = 0; i < this.count; i++) {
      this.sum += intervals[i]
      this.squares += intervals[i] * intervals[i]
    }
  }

  /** Suspicion after that long a silence: 0 or more, never falls while the silence lasts. */
  phi(silenceMillis: number, pauseMillis = this.settings.acceptablePauseMillis): number {
    const y = (silenceMillis - this.meanMillis - pauseMillis) / this.deviationMillis
    // the logistic approximation of the normal distribution: 1 − F(y) = 1 / (1 + exp(x))
    const x = y * (1.5976 + 0.070566 * y * y)
    return x > 30 ? x / Math.LN10 : Math.log1p(Math.exp(x)) / Math.LN10
  }
}
