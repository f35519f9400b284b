import type { CongestionController } from "./CongestionController.ts"

/**
 * Whether the application uses the window it has: a window that is not filled must not grow. RFC 9002 §7.8.
 * Judged over a round trip, because a paced sender reaches the window only at times (§7.8 #S2).
 */
export class WindowUse {
  private roundStartMicros = 0
  private mostInFlight = 0
  private mostInFlightBefore = 0
  private filled = false
  private filledBefore = false
  private lastSentMicros = -1

  /** `bytesInFlight` with the packet just sent. */
  onPacketSent(bytesInFlight: number, window: number, maxDatagramSize: number, nowMicros: number): void {
    this.lastSentMicros = nowMicros
    if (bytesInFlight > this.mostInFlight) this.mostInFlight = bytesInFlight
    if (bytesInFlight + maxDatagramSize > window) this.filled = true
  }

  /** Whether the window was the limit in this round trip or the one before. */
  onAcked(newestAckedSentMicros: number, congestion: CongestionController, nowMicros: number): boolean {
    if (newestAckedSentMicros >= this.roundStartMicros) {
      this.roundStartMicros = nowMicros
      this.mostInFlightBefore = this.mostInFlight
      this.filledBefore = this.filled
      this.mostInFlight = 0
      this.filled = false
    }
    if (this.filled || this.filledBefore) return true
    // In slow start the window runs ahead of what a round trip can have sent: half of it used is used.
    const inSlowStart = congestion.window < congestion.slowStartThreshold
    return inSlowStart && congestion.window < 2 * Math.max(this.mostInFlight, this.mostInFlightBefore)
  }

  /** Whether sending begins again after more than a PTO with nothing in flight. */
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
