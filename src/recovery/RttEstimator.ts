/** kGranularity, RFC 9002 §6.1.2 #S4 */
export const timerGranularityMicros = 1_000

/** kInitialRtt, RFC 9002 §6.2.2 #S1 */
export const defaultInitialRttMicros = 333_000

/** The round-trip time of one path. RFC 9002 §5. All values in microseconds. */
export class RttEstimator {
  latestMicros = 0
  smoothedMicros: number
  variationMicros: number
  /** Infinity until the first sample. */
  minMicros: number = Number.POSITIVE_INFINITY
  /** When the first sample was taken; Infinity before. Used to establish persistent congestion. */
  firstSampleAtMicros: number = Number.POSITIVE_INFINITY

  constructor(initialRttMicros: number = defaultInitialRttMicros) {
    this.smoothedMicros = initialRttMicros
    this.variationMicros = initialRttMicros / 2
  }

  get hasSample(): boolean {
    return this.firstSampleAtMicros !== Number.POSITIVE_INFINITY
  }

  /** `minMicros` for those who are shown it: the smoothed time until there is a sample. */
  get shownMinMicros(): number {
    return this.hasSample ? this.minMicros : this.smoothedMicros
  }

  /** `ackDelayMicros` is already capped as RFC 9002 §5.3 requires for the packet-number space. */
  onSample(latestMicros: number, ackDelayMicros: number, nowMicros: number): void {
    this.latestMicros = latestMicros
    if (!this.hasSample) {
      this.firstSampleAtMicros = nowMicros
      this.minMicros = latestMicros
      this.smoothedMicros = latestMicros
      this.variationMicros = latestMicros / 2
      return
    }
    // RFC 9002 §5.2 #1 #S2: the lesser of min_rtt and latest_rtt, ignoring the acknowledgment delay.
    if (latestMicros < this.minMicros) this.minMicros = latestMicros
    // RFC 9002 §5.3 #2: MUST NOT subtract the acknowledgment delay if the result is smaller than min_rtt.
    const adjusted =
      latestMicros >= this.minMicros + ackDelayMicros ? latestMicros - ackDelayMicros : latestMicros
    this.variationMicros = 0.75 * this.variationMicros + 0.25 * Math.abs(this.smoothedMicros - adjusted)
    this.smoothedMicros = 0.875 * this.smoothedMicros + 0.125 * adjusted
  }

  /** RFC 9002 §5.2 #S1: min_rtt is set to the newest sample after persistent congestion. */
  onPersistentCongestion(): void {
    if (this.hasSample) this.minMicros = this.latestMicros
  }

  /** A new path has no history. RFC 9000 §9.4 */
  reset(initialRttMicros: number): void {
    this.latestMicros = 0
    this.smoothedMicros = initialRttMicros
    this.variationMicros = initialRttMicros / 2
    this.minMicros = Number.POSITIVE_INFINITY
    this.firstSampleAtMicros = Number.POSITIVE_INFINITY
  }

  /** The PTO without backoff and without max_ack_delay. RFC 9002 §6.2.1 #1 */
  get ptoBaseMicros(): number {
    return this.smoothedMicros + Math.max(4 * this.variationMicros, timerGranularityMicros)
  }
}
