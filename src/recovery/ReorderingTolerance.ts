import { type RttEstimator, timerGranularityMicros } from "./RttEstimator.ts"
import type { PacketBatch, SentPacket } from "./SentPacket.ts"

/** kPacketThreshold, RFC 9002 §6.1.1 #S1 #S2; it only grows. */
const initialPacketThreshold = 3
const maxPacketThreshold = 128
/** kTimeThreshold, RFC 9002 §6.1.2 #S3 */
const initialTimeThreshold = 9 / 8
const maxTimeThreshold = 2

/**
 * How much reordering a path may show before a packet is declared lost. Starts at the thresholds of RFC 9002 and grows
 * when a loss proves spurious, as §6.1.1 allows. Also detects when every loss of a congestion event was spurious.
 */
export class ReorderingTolerance {
  packetThreshold = initialPacketThreshold
  private timeThreshold = initialTimeThreshold
  private congestionEvent = 0
  private lossesOfEvent = 0

  /** RFC 9002 §6.1.2 #1: MUST be at least the timer granularity. */
  lossDelayMicros(rtt: RttEstimator): number {
    return Math.max(
      this.timeThreshold * Math.max(rtt.latestMicros, rtt.smoothedMicros),
      timerGranularityMicros
    )
  }

  onLost(lost: PacketBatch, congestionEvent: number): void {
    if (congestionEvent !== this.congestionEvent) {
      this.congestionEvent = congestionEvent
      this.lossesOfEvent = 0
    }
    for (let i = 0; i < lost.length; i++) {
      const packet = lost.items[i]
      packet.congestionEvent = congestionEvent
      if (packet.inFlight && !packet.isMtuProbe) this.lossesOfEvent++
    }
  }

  /** A CE mark is never spurious, so spurious losses cannot undo its congestion event. */
  onEcnCongestion(congestionEvent: number): void {
    this.congestionEvent = congestionEvent
    this.lossesOfEvent = Number.POSITIVE_INFINITY
  }

  /** Returns whether every loss of the latest congestion event has proved spurious. */
  onSpuriousLoss(packet: SentPacket, largestAcked: number): boolean {
    const overtakenBy = largestAcked - packet.packetNumber
    if (overtakenBy >= this.packetThreshold) {
      this.packetThreshold = Math.min(overtakenBy + 1, maxPacketThreshold)
    } else {
      this.timeThreshold = Math.min(this.timeThreshold + 1 / 8, maxTimeThreshold)
    }
    if (!packet.inFlight || packet.isMtuProbe || packet.congestionEvent !== this.congestionEvent) return false
    this.lossesOfEvent--
    return this.lossesOfEvent === 0
  }
}
