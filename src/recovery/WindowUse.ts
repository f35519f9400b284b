import type { CongestionController } from "./CongestionController.ts"

/**
 * Whether the congestion window is fully used; an underused window must not grow. RFC 9002 §7.8.
 * Judged over a round trip, because a paced sender reaches the window only occasionally (§7.8 #S2).
 */
export class WindowUse {
  private roundStartMicros = 0
  private mostInFlight = 0
  private mostInFlightBefore = 0
  private filled = false
  private filledBefore = false
  private lastSentMicros = -1

  /** `bytesInFlight` includes the packet just sent. */
  onPacketSent(bytesInFlight: number, window: number, maxDatagramSize: number, nowMicros: number): void {
    this.lastSentMicros = nowMicros
    if (bytesInFlight > this.mostInFlight) this.mostInFlight = bytesInFlight
    if (bytesInFlight + maxDatagramSize > window) this.filled = true
  }

  /** Whether the window was the limit in this or the previous round trip. */
  onAcked(newestAckedSentMicros: number, congestion: CongestionController, nowMicros: number): boolean {
    if (newestAckedSentMicros >= this.roundStartMicros) {
      this.roundStartMicros = nowMicros
      this.mostInFlightBefore = this.mostInFlight
      this.filledBefore = this.filled
      this.mostInFlight = 0
      this.filled = false
    }
    if (this.filled || this.filledBefore) return true
    // In slow start the window grows ahead of what a round trip can send, so using half of it is enough.
    const inSlowStart = congestion.window < congestion.slowStartThreshold
    return inSlowStart && congestion.window < 2 * Math.max(this.mostInFlight, this.mostInFlightBefore)
  }

  /** Whether sending resumes after nothing was in flight for more than a PTO. */
  isRestart(bytesInFlight: number, ptoMicros: number, nowMicros: number): boolean {
    return bytesInFlight === 0 && this.lastSentMicros >= 0 && nowMicros - this.lastSentMicros > ptoMicros
  }

  reset(): void {
    this.mostInFlight = 0
    this.mostInFlightBefore = 0
    this.filled = false
    this.filledBefore = false
    this.lastSentMicros = -1
  }
}
