import { PacketBatch } from "./SentPacket.ts"

/**
 * What one ACK frame, or one loss timeout, told about a path. Reused; batches hold every packet, and a controller
 * looks only at those that are `inFlight` (others belong to the path before a migration, or carried only ACKs).
 */
export class CongestionFeedback {
  nowMicros = 0
  readonly acked: PacketBatch = new PacketBatch()
  readonly lost: PacketBatch = new PacketBatch()
  ackedBytes = 0
  /** Without path MTU probes, whose loss is no sign of congestion. RFC 9000 §14.4 #S1 */
  lostBytes = 0
  /** When the newest packet that was ever acknowledged on this path left: a round trip ends when it passes its start. */
  newestAckedSentMicros = 0
  /** When the latest of the lost packets left; 0 when `lostBytes` is 0. */
  latestLostSentMicros = 0
  /** Without the packets above. */
  bytesInFlight = 0
  /** Whether the window, rather than the application, held sending back in this round trip. RFC 9002 §7.8 */
  isWindowLimited = false
  /** Whether this ACK gave an RTT sample: `rtt.latestMicros` is new. */
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

  /** Adds up the packets in `acked` and `lost`; returns the bytes in flight without them. */
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
