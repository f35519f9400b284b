import type { AckFrame } from "../wire/AckFrame.ts"
import { Space } from "../wire/PacketType.ts"

/** The ECN field of an IP header. RFC 3168 §5 */
export const Ecn = { NotEct: 0, Ect1: 1, Ect0: 2, Ce: 3 } as const
export type Ecn = (typeof Ecn)[keyof typeof Ecn]

/** Maximum number of ranges; the oldest is dropped for a new one. RFC 9000 §13.2.3 */
export const maxReceivedRanges = 64

/** RFC 9000 §18.2 */
export const defaultMaxAckDelayMicros = 25_000

/**
 * The packets received in one packet-number space of one path, and when to acknowledge them. RFC 9000 §13.2.
 *
 * For each packet that decrypts: drop it if `isDuplicate`, else process it and call `onReceived`. After the batch, send
 * an ACK if `shouldAckNow(now)`; while `hasUnacknowledged`, add one to anything else that is sent. `fillAck` fills the
 * frame; call `onAckSent` once the packet is sent, and `onAckOfAck` once that is acknowledged.
 */
export class ReceivedPackets {
  /** -1 before the first packet. Packet numbers are decoded relative to it. RFC 9000 §13.2.3 #2, §A.3 */
  largest = -1
  /** When the oldest unacknowledged ack-eliciting packet must be acknowledged; Infinity if there is none. */
  ackDeadlineMicros: number = Number.POSITIVE_INFINITY
  readonly ecnCounts: { ect0: number; ect1: number; ce: number } = { ect0: 0, ect1: 0, ce: 0 }

  private readonly immediate: boolean
  /** Ranges in ascending order: range i covers smallestOf[i] … largestOf[i]. */
  private smallestOf: Array<number> = []
  private largestOf: Array<number> = []
  private largestReceivedMicros = 0
  private largestAckEliciting = -1
  /** Everything below counts as a duplicate, as its range was dropped. RFC 9000 §13.2.3 #1 */
  private forgottenBelow = 0
  /** Ranges ending below it are no longer reported, as the peer has received an ACK for them. RFC 9000 §13.2.4 */
  private reportFrom = 0
  private largestReported = -1
  private unackedAckEliciting = 0
  private wasCe = false
  private threshold = 1
  private maxAckDelayMicros: number
  private reordering = 1

  constructor(space: Space, maxAckDelayMicros: number = defaultMaxAckDelayMicros) {
    // RFC 9000 §13.2.1 #2: MUST acknowledge ack-eliciting Initial and Handshake packets immediately.
    this.immediate = space !== Space.Application
    this.maxAckDelayMicros = maxAckDelayMicros
  }

  /**
   * Applies an ACK_FREQUENCY frame (draft-ietf-quic-ack-frequency §4): acknowledge immediately after more than
   * `threshold` ack-eliciting packets or when `reordering` packets overtook a missing one (0: never), and else after
   * `maxAckDelayMicros`.
   */
  setAckFrequency(threshold: number, maxAckDelayMicros: number, reordering: number): void {
    this.threshold = threshold
    this.maxAckDelayMicros = maxAckDelayMicros
    this.reordering = reordering
  }

  /** IMMEDIATE_ACK. draft-ietf-quic-ack-frequency §5 */
  requestImmediateAck(): void {
    this.ackDeadlineMicros = 0
  }

  /** Also true for packets too old to be tracked. RFC 9000 §12.3 #4: a duplicate MUST be discarded. */
  isDuplicate(packetNumber: number): boolean {
    if (packetNumber > this.largest) return false
    return packetNumber < this.forgottenBelow || this.contains(packetNumber)
  }

  /** Call after processing a packet that is not a duplicate. */
  onReceived(packetNumber: number, ackEliciting: boolean, nowMicros: number, ecn: Ecn = Ecn.NotEct): void {
    this.insert(packetNumber)
    if (packetNumber > this.largest) {
      this.largest = packetNumber
      this.largestReceivedMicros = nowMicros
    }
    if (packetNumber < this.reportFrom) this.reportFrom = packetNumber
    if (ecn === Ecn.Ect0) this.ecnCounts.ect0++
    else if (ecn === Ecn.Ect1) this.ecnCounts.ect1++
    else if (ecn === Ecn.Ce) this.ecnCounts.ce++
    const becameCe = ecn === Ecn.Ce && !this.wasCe
    this.wasCe = ecn === Ecn.Ce
    // RFC 9000 §13.2.1 #3 #4: MUST NOT answer a packet that is not ack-eliciting with one that is not, even if there are gaps.
    if (!ackEliciting) return
    this.unackedAckEliciting++
    const { threshold, maxAckDelayMicros } = this
    if (
      this.immediate ||
      this.unackedAckEliciting > threshold || // RFC 9000 §13.2.2 #S1
      // RFC 9000 §13.2.1 #S4: acknowledges CE marks immediately, or the first of a run if the peer asked for fewer ACKs.
      (ecn === Ecn.Ce && (threshold <= 1 || becameCe)) ||
      this.isReorderingReportable(packetNumber)
    ) {
      this.ackDeadlineMicros = nowMicros
    } else {
      // RFC 9000 §13.2.1 #1; RFC 9221 §5.2 #S1: applies to DATAGRAM frames too
      this.ackDeadlineMicros = Math.min(this.ackDeadlineMicros, nowMicros + maxAckDelayMicros)
    }
    if (packetNumber > this.largestAckEliciting) this.largestAckEliciting = packetNumber
  }

  /** Whether an ACK should go into the next packet, whatever it carries. RFC 9000 §13.2 #S1, §13.2.1 #S2 */
  get hasUnacknowledged(): boolean {
    return this.unackedAckEliciting > 0
  }

  shouldAckNow(nowMicros: number): boolean {
    return nowMicros >= this.ackDeadlineMicros
  }

  /**
   * Fills in up to `maxRanges` ranges of packets of any kind, highest first; false when there is nothing to acknowledge.
   * RFC 9000 §13.2.1 #S1, §13.2.3 #S1
   */
  fillAck(
    ack: AckFrame,
    nowMicros: number,
    ackDelayExponent: number,
    maxRanges: number = maxReceivedRanges
  ): boolean {
    const top = this.largestOf.length - 1
    if (top < 0) return false
    ack.largest = this.largest
    // RFC 9000 §13.2.5 #1 #S2: measured from when the packet was processed
    ack.delayRaw = Math.floor(Math.max(0, nowMicros - this.largestReceivedMicros) / 2 ** ackDelayExponent)
    ack.rangeCount = 0
    for (let i = top; i >= 0 && ack.rangeCount < maxRanges; i--) {
      // RFC 9000 §13.2.3 #S3: always includes the range of the largest number.
      if (this.largestOf[i] < this.reportFrom && i !== top) break
      ack.smallest[ack.rangeCount] = this.smallestOf[i]
      ack.largestOf[ack.rangeCount] = this.largestOf[i]
      ack.rangeCount++
    }
    // RFC 9000 §13.4.1 #1
    const { ect0, ect1, ce } = this.ecnCounts
    ack.hasEcn = ect0 + ect1 + ce > 0
    ack.ect0 = ect0
    ack.ect1 = ect1
    ack.ce = ce
    return true
  }

  /** A packet with the ACK that `fillAck` filled has been sent. */
  onAckSent(): void {
    this.largestReported = this.largest
    this.unackedAckEliciting = 0
    this.ackDeadlineMicros = Number.POSITIVE_INFINITY
  }

  /**
   * The peer acknowledged an ACK of ours whose largest number was `largestCovered`; what it covered is no longer
   * reported, but still tracked to recognise duplicates. RFC 9000 §13.2.3 #S2, §13.2.4
   */
  onAckOfAck(largestCovered: number): void {
    if (largestCovered >= this.reportFrom) this.reportFrom = largestCovered + 1
  }

  private contains(packetNumber: number): boolean {
    for (let i = this.largestOf.length - 1; i >= 0; i--) {
      if (packetNumber > this.largestOf[i]) return false
      if (packetNumber >= this.smallestOf[i]) return true
    }
    return false
  }

  private insert(packetNumber: number): void {
    const { smallestOf, largestOf } = this
    let i = largestOf.length - 1
    if (i < 0) {
      // usually there is only one range, and `push` on an empty array would reserve seventeen slots
      this.smallestOf = [packetNumber]
      this.largestOf = [packetNumber]
      return
    }
    // Fast path: packets in order extend the last range.
    if (packetNumber === largestOf[i] + 1) {
      largestOf[i] = packetNumber
      return
    }
    while (i >= 0 && smallestOf[i] > packetNumber) i--
    // Range i lies below the number, range i + 1 above it.
    const joinsBelow = i >= 0 && largestOf[i] + 1 >= packetNumber
    const joinsAbove = i + 1 < smallestOf.length && smallestOf[i + 1] === packetNumber + 1
    if (joinsBelow && joinsAbove) {
      largestOf[i] = largestOf[i + 1]
      this.removeRange(i + 1)
    } else if (joinsBelow) {
      largestOf[i] = Math.max(largestOf[i], packetNumber)
    } else if (joinsAbove) {
      smallestOf[i + 1] = packetNumber
    } else {
      this.addRange(i + 1, packetNumber)
    }
  }

  private addRange(at: number, packetNumber: number): void {
    const { smallestOf, largestOf } = this
    if (largestOf.length === maxReceivedRanges) {
      this.forgottenBelow = largestOf[0] + 1
      this.removeRange(0)
      at--
    }
    smallestOf.push(0)
    largestOf.push(0)
    smallestOf.copyWithin(at + 1, at, -1)
    largestOf.copyWithin(at + 1, at, -1)
    smallestOf[at] = packetNumber
    largestOf[at] = packetNumber
  }

  private removeRange(at: number): void {
    this.smallestOf.copyWithin(at, at + 1)
    this.largestOf.copyWithin(at, at + 1)
    this.smallestOf.pop()
    this.largestOf.pop()
  }

  /** Whether an ack-eliciting packet just received indicates reordering or loss to report immediately. */
  private isReorderingReportable(packetNumber: number): boolean {
    const { reordering } = this
    if (reordering === 0) return false
    if (reordering === 1) {
      // RFC 9000 §13.2.1 #S3: below another ack-eliciting packet, or above the highest with a gap in between.
      if (packetNumber < this.largestAckEliciting) return true
      return this.smallestOf[this.rangeOf(packetNumber)] > this.largestAckEliciting + 1
    }
    // draft-ietf-quic-ack-frequency §6.2: either the peer has declared the packet lost …
    if (this.largestReported >= 0 && packetNumber <= this.largestReported - reordering) return true
    // … or enough packets have overtaken the first missing one not yet reported to the peer.
    const highest = Math.max(packetNumber, this.largestAckEliciting)
    const missing = this.firstMissingFrom(
      Math.max(this.forgottenBelow, this.largestReported - reordering + 1)
    )
    return missing < highest && highest - missing >= reordering
  }

  private rangeOf(packetNumber: number): number {
    let i = this.largestOf.length - 1
    while (i > 0 && this.smallestOf[i] > packetNumber) i--
    return i
  }

  private firstMissingFrom(start: number): number {
    let missing = start
    for (let i = this.rangeOf(start); i < this.largestOf.length; i++) {
      if (missing < this.smallestOf[i]) return missing
      if (missing <= this.largestOf[i]) missing = this.largestOf[i] + 1
    }
    return missing
  }
}

/** What stands for the spaces of the handshake once their keys are gone: nothing is received in them again. */
export const nothingReceived: ReceivedPackets = new ReceivedPackets(Space.Initial)
