import type { CongestionFeedback } from "./CongestionFeedback.ts"
import type { SentPacket } from "./SentPacket.ts"

/**
 * Estimates the delivery rate of the path. draft-ietf-ccwg-bbr §4.1. Each packet records how much had been delivered
 * when it was sent; its acknowledgment then yields the rate since, unless the application was the limit.
 */
export class DeliveryRate {
  /** Total bytes delivered, and total bytes lost. */
  delivered = 0
  lost = 0

  // The sample of the latest ACK, based on the newest packet it acknowledges.
  /** Bytes per microsecond; 0 when the ACK yielded no reliable sample. */
  rate = 0
  isAppLimited = false
  /** Bytes delivered since that packet was sent, and the total at that time. */
  sampleDelivered = 0
  priorDelivered = 0
  /** Bytes lost since that packet was sent, and bytes in flight at that time. */
  sampleLost = 0
  txInFlight = 0
  newlyAcked = 0

  private deliveredMicros = 0
  private firstSentMicros = 0
  /** Samples are application-limited until this many bytes are delivered; 0 when they are not. */
  private appLimitedUntil = 0

  get isInAppLimitedPhase(): boolean {
    return this.appLimitedUntil !== 0
  }

  /** §4.1.2.2 */
  onPacketSent(packet: SentPacket, bytesInFlight: number, nowMicros: number): void {
    if (bytesInFlight === 0) {
      this.firstSentMicros = nowMicros
      this.deliveredMicros = nowMicros
    }
    packet.firstSentMicros = this.firstSentMicros
    packet.deliveredMicros = this.deliveredMicros
    packet.delivered = this.delivered
    packet.isAppLimited = this.appLimitedUntil !== 0
    packet.txInFlight = bytesInFlight + packet.size
    packet.lostAtSend = this.lost
  }

  onLost(packet: SentPacket): void {
    this.lost += packet.size
  }

  /** §4.1.2.3. `feedback.acked` holds at least one packet in flight. */
  onAcked(feedback: CongestionFeedback, minRttMicros: number): void {
    const { acked, nowMicros } = feedback
    let newest: SentPacket | undefined
    for (let i = 0; i < acked.length; i++) {
      const packet = acked.items[i]
      if (!packet.inFlight) continue
      this.delivered += packet.size
      if (newest === undefined || packet.timeSentMicros >= newest.timeSentMicros) newest = packet
    }
    this.rate = 0
    this.newlyAcked = feedback.ackedBytes
    if (newest === undefined) return
    this.deliveredMicros = nowMicros
    if (newest.timeSentMicros > this.firstSentMicros) this.firstSentMicros = newest.timeSentMicros
    if (this.appLimitedUntil !== 0 && this.delivered > this.appLimitedUntil) this.appLimitedUntil = 0
    this.isAppLimited = newest.isAppLimited
    this.priorDelivered = newest.delivered
    this.sampleDelivered = this.delivered - newest.delivered
    this.sampleLost = this.lost - newest.lostAtSend
    this.txInFlight = newest.txInFlight
    // The longer of the two: data is delivered no faster than it is sent, and no faster than it is acknowledged.
    const intervalMicros = Math.max(
      newest.timeSentMicros - newest.firstSentMicros,
      nowMicros - newest.deliveredMicros
    )
    if (intervalMicros > 0 && intervalMicros >= minRttMicros)
      this.rate = this.sampleDelivered / intervalMicros
  }

  /** Sending was allowed but there was nothing to send. §4.1.2.4 */
  markAppLimited(bytesInFlight: number): void {
    this.appLimitedUntil = Math.max(this.delivered + bytesInFlight, 1)
  }
}
