import type { CongestionFeedback } from "./CongestionFeedback.ts"
import type { RttEstimator } from "./RttEstimator.ts"

// RFC 9406 §4.3
const minRttThreshMicros = 4_000
const maxRttThreshMicros = 16_000
const minRttDivisor = 8
const rttSamples = 8
const cssGrowthDivisor = 4
const cssRounds = 5

/**
 * HyStart++: leaves the initial slow start when the RTT rises, before the queue overflows. RFC 9406.
 * A rise first slows growth (Conservative Slow Start). If the RTT falls again, slow start resumes; otherwise congestion
 * avoidance begins after five rounds. All senders here pace, so the limit L on growth per ACK is infinite (§4.3).
 */
export class HyStart {
  /** Divides the growth of slow start: 4 in Conservative Slow Start, else 1. */
  growthDivisor = 1
  private roundStartMicros = 0
  private lastRoundMinRtt = Number.POSITIVE_INFINITY
  private currentRoundMinRtt = Number.POSITIVE_INFINITY
  private samples = 0
  /** Infinity outside Conservative Slow Start. */
  private baselineMinRtt = Number.POSITIVE_INFINITY
  private roundsLeft = cssRounds

  /** Returns true when slow start is over and congestion avoidance begins. */
  onAcked(feedback: CongestionFeedback, rtt: RttEstimator): boolean {
    if (feedback.hasRttSample) {
      this.currentRoundMinRtt = Math.min(this.currentRoundMinRtt, rtt.latestMicros)
      this.samples++
    }
    const roundEnded = feedback.newestAckedSentMicros >= this.roundStartMicros
    if (this.baselineMinRtt === Number.POSITIVE_INFINITY) {
      this.watchForDelay()
    } else if (this.samples >= rttSamples && this.currentRoundMinRtt < this.baselineMinRtt) {
      // RFC 9406 §4.2: the rise was spurious; resume slow start.
      this.baselineMinRtt = Number.POSITIVE_INFINITY
      this.growthDivisor = 1
    } else if (roundEnded && --this.roundsLeft === 0) {
      return true
    }
    if (roundEnded) {
      this.roundStartMicros = feedback.nowMicros
      this.lastRoundMinRtt = this.currentRoundMinRtt
      this.currentRoundMinRtt = Number.POSITIVE_INFINITY
      this.samples = 0
    }
    return false
  }

  private watchForDelay(): void {
    if (this.samples < rttSamples || this.lastRoundMinRtt === Number.POSITIVE_INFINITY) return
    const thresh = Math.max(
      minRttThreshMicros,
      Math.min(this.lastRoundMinRtt / minRttDivisor, maxRttThreshMicros)
    )
    if (this.currentRoundMinRtt < this.lastRoundMinRtt + thresh) return
    this.baselineMinRtt = this.currentRoundMinRtt
    this.growthDivisor = cssGrowthDivisor
    this.roundsLeft = cssRounds
  }
}
