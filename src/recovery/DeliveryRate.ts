import type { CongestionFeedback } from "./CongestionFeedback.ts"
import type { SentPacket } from "./SentPacket.ts"

/**
 * Measures at what rate the path delivers. draft-ietf-ccwg-bbr §4.1. Each packet remembers how much had been
 * delivered when it left; its acknowledgment then tells the rate over its flight, unless the application was the limit.
 */
export class DeliveryRate {
  /** Bytes delivered, and bytes lost, since the start. */
  delivered = 0
  lost = 0

  // The sample of the latest ACK, taken from the newest packet it acknowledges.
  /** Bytes per microsecond; 0 when the ACK gave no reliable sample. */
  rate = 0
  isAppLimited = false
  /** Bytes delivered since that packet left, and the total when it did. */
  sampleDelivered = 0
  priorDelivered = 0
  /** Bytes lost since that packet left, and bytes in flight when it did. */
  sampleLost = 0
  txInFlight = 0
  newlyAcked = 0

  private deliveredMicros = 0
  private firstSentMicros = 0
  /** Samples are application-limited until this much has been delivered; 0: they are not. */
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
    // The longer of the two, as data cannot be delivered faster than it is sent nor than it is acknowledged.
    const intervalMicros = Math.max(
      newest.timeSentMicros - newest.firstSentMicros,
      nowMicros - newest.deliveredMicros
    )
    if (intervalMicros > 0 && intervalMicros >= minRttMicros)
      this.rate = this.sampleDelivered / intervalMicros
  }

  /** There was nothing to send although sending was allowed. §4.1.2.4 */
  markAppLimited(bytesInFlight: number): void {
    this.appLimitedUntil = Math.max(this.delivered + bytesInFlight, 1)
  }
}
