import { PacketBatch } from "./SentPacket.ts"
import type { SentPackets } from "./SentPackets.ts"

/**
 * The packets of the last ACK or loss timeout. There is one for all paths of all connections, as each is settled before
 * the next is processed, and an idle path has none to hold.
 */
class AckResults {
  readonly acked: PacketBatch = new PacketBatch()
  /** Declared lost, then acknowledged. */
  readonly lateAcked: PacketBatch = new PacketBatch()
  readonly lost: PacketBatch = new PacketBatch()
  private spaces: ReadonlyArray<SentPackets> = []

  /** Releases the previous packets, for `CongestionFeedback.clear`; lost ones are kept to detect a late acknowledgment. */
  begin(spaces: ReadonlyArray<SentPackets>): void {
    const { acked, lateAcked, lost, spaces: previous } = this
    for (let i = 0; i < acked.length; i++) previous[acked.items[i].space].recycle(acked.items[i])
    for (let i = 0; i < lateAcked.length; i++) previous[lateAcked.items[i].space].recycle(lateAcked.items[i])
    for (let i = 0; i < lost.length; i++) previous[lost.items[i].space].rememberLost(lost.items[i])
    lateAcked.clear()
    this.spaces = spaces
  }
}

export const ackResults: AckResults = new AckResults()
