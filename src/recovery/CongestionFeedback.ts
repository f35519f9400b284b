import { ackResults } from "./AckResults.ts"
import type { PacketBatch, SentPacket } from "./SentPacket.ts"

/**
 * What one ACK frame or one loss timeout says about a path. Reused. The batches hold every packet; controllers look
 * only at those with `inFlight` set (the others predate a migration or carried only ACKs).
 */
export class CongestionFeedback {
  nowMicros = 0
  readonly acked: PacketBatch = ackResults.acked
  readonly lost: PacketBatch = ackResults.lost
  ackedBytes = 0
  /** Excludes path MTU probes, whose loss does not indicate congestion. RFC 9000 §14.4 #S1 */
  lostBytes = 0
  /**
   * When the newest packet acknowledged on this path was sent, over all spaces and ACKs; -1 before the first. A round trip
   * ends once this passes its start.
   */
  newestAckedSentMicros = -1
  /** When the newest lost packet was sent; 0 when `lostBytes` is 0. */
  latestLostSentMicros = 0
  /** Excludes the packets in `acked` and `lost`. */
  bytesInFlight = 0
  /** Whether the window, not the application, limited sending in this round trip. RFC 9002 §7.8 */
  isWindowLimited = false
  /** Whether this ACK yielded an RTT sample, so that `rtt.latestMicros` is new. */
  hasRttSample = false

  clear(nowMicros: number): void {
    this.nowMicros = nowMicros
    this.acked.clear()
    this.lost.clear()
    this.ackedBytes = 0
    this.lostBytes = 0
    this.latestLostSentMicros = 0
    this.hasRttSample = false
  }

  /**
   * Updates `newestAckedSentMicros`; returns the packet whose round trip this ACK measures, if it measures one. Packets
   * numbered below `firstOnPath` were sent before a migration.
   */
  findRttSample(largest: number, firstOnPath: number): SentPacket | undefined {
    const { acked } = this
    let newest: SentPacket | undefined
    let ackEliciting = false
    for (let i = 0; i < acked.length; i++) {
      const packet = acked.items[i]
      if (packet.ackEliciting) ackEliciting = true
      if (packet.isPathProbe) continue // RFC 9002 §6.2.2 #S2
      if (packet.packetNumber === largest) newest = packet
      if (packet.packetNumber >= firstOnPath && packet.timeSentMicros > this.newestAckedSentMicros) {
        this.newestAckedSentMicros = packet.timeSentMicros
      }
    }
    // RFC 9002 §5.1 #1 #S1: only if the largest is newly acknowledged, along with an ack-eliciting packet
    return ackEliciting && largest >= firstOnPath ? newest : undefined
  }

  /** Sums the packets in `acked` and `lost`; returns the bytes in flight without them. */
  tally(bytesInFlight: number): number {
    const { acked, lost } = this
    for (let i = 0; i < acked.length; i++) {
      const packet = acked.items[i]
      if (packet.inFlight) this.ackedBytes += packet.size
    }
    let lostInFlight = 0
    for (let i = 0; i < lost.length; i++) {
      const packet = lost.items[i]
      if (!packet.inFlight) continue
      lostInFlight += packet.size
      if (packet.isMtuProbe) continue
      this.lostBytes += packet.size
      this.latestLostSentMicros = packet.timeSentMicros
    }
    this.bytesInFlight = bytesInFlight - this.ackedBytes - lostInFlight
    return this.bytesInFlight
  }
}
