import type { DeliveryRate } from "./DeliveryRate.ts"
import { WindowedMax } from "./WindowedMax.ts"

const minRttFilterMicros = 10_000_000
const probeRttIntervalMicros = 5_000_000
const extraAckedRounds = 10
const fullPipeRounds = 3
const fullPipeGrowth = 1.25

/**
 * BBR's long-term model of a path: bandwidth, propagation delay, ACK aggregation, and round-trip counting.
 * draft-ietf-ccwg-bbr §5.5. Bandwidths are bytes per microsecond.
 */
export class BbrPathModel {
  roundCount = 0
  isRoundStart = false
  /** Infinity before the first sample. */
  minRttMicros: number = Number.POSITIVE_INFINITY
  /** Whether the minimum delay has not been observed again for five seconds, so that ProbeRTT is due. */
  isProbeRttDue = false
  readonly fullPipe: FullPipe = new FullPipe()

  private readonly rate: DeliveryRate
  private nextRoundDelivered = 0
  /** Maximum bandwidth of this ProbeBW cycle and of the previous one. */
  private cycleBandwidth = 0
  private previousCycleBandwidth = 0
  private minRttAtMicros = 0
  private probeRttMinMicros: number = Number.POSITIVE_INFINITY
  private probeRttMinAtMicros = 0
  private readonly aggregation = { startMicros: 0, delivered: 0, extra: new WindowedMax() }

  constructor(rate: DeliveryRate) {
    this.rate = rate
  }

  get maxBandwidth(): number {
    return Math.max(this.cycleBandwidth, this.previousCycleBandwidth)
  }

  get extraAcked(): number {
    return this.aggregation.extra.best
  }

  /** §5.5.1 */
  startRound(): void {
    this.nextRoundDelivered = this.rate.delivered
  }

  /** UpdateRound and UpdateMaxBw. §5.5.1, §5.5.5 */
  updateBandwidth(): void {
    const { rate } = this
    this.isRoundStart = rate.priorDelivered >= this.nextRoundDelivered
    if (this.isRoundStart) {
      this.startRound()
      this.roundCount++
    }
    if (rate.rate > this.cycleBandwidth && (rate.rate >= this.maxBandwidth || !rate.isAppLimited)) {
      this.cycleBandwidth = rate.rate
    }
  }

  /** §5.5.6: the filter spans this cycle and the previous one. */
  advanceBandwidthFilter(): void {
    // after a cycle without a usable sample, dropping the previous one would leave no rate to send at
    if (this.cycleBandwidth === 0) return
    this.previousCycleBandwidth = this.cycleBandwidth
    this.cycleBandwidth = 0
  }

  /** How much more is acknowledged at once than `bandwidth` accounts for. §5.5.9 */
  updateAggregation(bandwidth: number, window: number, nowMicros: number): void {
    const { aggregation } = this
    let expected = bandwidth * (nowMicros - aggregation.startMicros)
    if (aggregation.delivered <= expected) {
      this.restartAggregation(nowMicros)
      expected = 0
    }
    aggregation.delivered += this.rate.newlyAcked
    const extra = Math.min(aggregation.delivered - expected, window)
    aggregation.extra.update(extra, this.roundCount, this.fullPipe.wasReached ? extraAckedRounds : 1)
  }

  restartAggregation(nowMicros: number): void {
    this.aggregation.delivered = 0
    this.aggregation.startMicros = nowMicros
  }

  /** `rttMicros` is -1 when the ACK gave no sample. §5.3.4.3 */
  updateMinRtt(rttMicros: number, nowMicros: number): void {
    this.isProbeRttDue = nowMicros > this.probeRttMinAtMicros + probeRttIntervalMicros
    if (rttMicros >= 0 && (rttMicros < this.probeRttMinMicros || this.isProbeRttDue)) {
      this.probeRttMinMicros = rttMicros
      this.probeRttMinAtMicros = nowMicros
    }
    const expired = nowMicros > this.minRttAtMicros + minRttFilterMicros
    if (this.probeRttMinMicros < this.minRttMicros || expired) {
      this.minRttMicros = this.probeRttMinMicros
      this.minRttAtMicros = this.probeRttMinAtMicros
    }
  }

  /** Schedules the next ProbeRTT one interval from now. */
  scheduleProbeRtt(nowMicros: number): void {
    this.probeRttMinAtMicros = nowMicros
  }

  updateFullPipe(): void {
    if (this.isRoundStart && !this.rate.isAppLimited) this.fullPipe.onRound(this.rate.rate)
  }
}

/** Detects when sending faster no longer delivers faster. draft-ietf-ccwg-bbr §5.3.1.2 */
export class FullPipe {
  /** Since it was last reset. */
  isFull = false
  /** Not cleared by `reset`. */
  wasReached = false
  private bandwidth = 0
  private rounds = 0

  /** Restarts the detection from `bandwidth`. */
  reset(bandwidth = 0): void {
    this.bandwidth = bandwidth
    this.rounds = 0
    this.isFull = false
  }

  /** Called at the end of each round trip that was not application-limited. */
  onRound(bandwidth: number): void {
    if (this.isFull) return
    if (bandwidth >= this.bandwidth * fullPipeGrowth) {
      this.reset(bandwidth)
      return
    }
    this.rounds++
    this.isFull = this.rounds >= fullPipeRounds
    if (this.isFull) this.wasReached = true
  }
}
