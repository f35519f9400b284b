import {
  type CongestionController,
  type CoupledGrowth,
  initialWindow,
  minimumWindow,
  restartWindow,
  uncoupled,
  windowForDatagramSize,
  windowPacingRate
} from "./CongestionController.ts"
import type { CongestionFeedback } from "./CongestionFeedback.ts"
import type { RttEstimator } from "./RttEstimator.ts"

/** RFC 9002 §7.3.2 */
const lossReductionFactor = 0.5

/**
 * The congestion controller of RFC 9002 §7.3 and Appendix B. Coupled with those of other paths, it grows by no more than
 * `coupledGrowth` allows, in datagrams per byte acknowledged. RFC 6356 §3
 */
export class NewReno implements CongestionController {
  window: number
  slowStartThreshold: number = Number.POSITIVE_INFINITY
  private maxDatagramSize: number
  /** Packets sent until then belong to the current recovery period; -1 when there is none. */
  private recoveryStartMicros = -1
  private readonly previous = { window: 0, slowStartThreshold: 0 }
  private readonly coupled: CoupledGrowth

  constructor(maxDatagramSize: number, coupled: CoupledGrowth = uncoupled) {
    this.maxDatagramSize = maxDatagramSize
    this.coupled = coupled
    this.window = initialWindow(maxDatagramSize)
  }

  pacingRate(rtt: RttEstimator): number {
    return windowPacingRate(this.window, this.window < this.slowStartThreshold, rtt)
  }

  onPacketSent(): void {}

  onAcked(feedback: CongestionFeedback): void {
    // RFC 9002 §7.8 #S1: the window is not increased while it is underutilized.
    if (!feedback.isWindowLimited) return
    const { items, length } = feedback.acked
    const most = this.coupled.coupledGrowth
    for (let i = 0; i < length; i++) {
      const packet = items[i]
      if (!packet.inFlight || packet.timeSentMicros <= this.recoveryStartMicros) continue
      if (this.window < this.slowStartThreshold) this.window += packet.size
      // RFC 9002 §7.3.3 #1: MUST limit the increase to one datagram for each window acknowledged.
      else this.window += this.maxDatagramSize * packet.size * Math.min(most, 1 / this.window)
    }
  }

  onLost(feedback: CongestionFeedback): boolean {
    return this.onEcnCongestion(feedback.latestLostSentMicros, feedback.nowMicros)
  }

  onEcnCongestion(sentMicros: number, nowMicros: number): boolean {
    // RFC 9002 §7.3.1, §7.3.2 #1 #2: once per round trip.
    if (sentMicros <= this.recoveryStartMicros) return false
    this.previous.window = this.window
    this.previous.slowStartThreshold = this.slowStartThreshold
    this.recoveryStartMicros = nowMicros
    this.slowStartThreshold = Math.max(this.window * lossReductionFactor, minimumWindow(this.maxDatagramSize))
    this.window = this.slowStartThreshold
    return true
  }

  onPersistentCongestion(): void {
    // RFC 9002 §7.6.2 #2: the window MUST be reduced to the minimum window.
    this.window = minimumWindow(this.maxDatagramSize)
    this.recoveryStartMicros = -1
  }

  onSpuriousCongestion(): void {
    if (this.window >= this.previous.window) return
    this.window = this.previous.window
    this.slowStartThreshold = this.previous.slowStartThreshold
  }

  onIdleRestart(): void {
    const window = restartWindow(this.window, this.maxDatagramSize)
    if (window === this.window) return
    if (this.slowStartThreshold !== Number.POSITIVE_INFINITY) {
      this.slowStartThreshold = Math.max(this.slowStartThreshold, 0.75 * this.window)
    }
    this.window = window
  }

  onAppLimited(): void {}

  setMaxDatagramSize(maxDatagramSize: number): void {
    this.window = windowForDatagramSize(this.window, this.maxDatagramSize, maxDatagramSize)
    this.maxDatagramSize = maxDatagramSize
  }
}
