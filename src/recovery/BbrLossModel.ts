import type { DeliveryRate } from "./DeliveryRate.ts"
import type { SentPacket } from "./SentPacket.ts"

/** Maximum tolerated loss rate per round trip. draft-ietf-ccwg-bbr §2.7 */
const lossThreshold = 0.02
/**
 * Standard deviations of the losses at that rate that are tolerated, too. Of a hundred packets in flight, of which one in a
 * hundred is lost at random, three are lost in every twelfth round trip: the draft would take each for congestion, and
 * settle well below the rate of the path.
 */
const chance = 1.5
const beta = 0.7
const headroom = 0.15
/** BBRStartupFullLossCnt, §5.3.1.3 */
const startupLossRanges = 6

/**
 * The limits BBR derives from losses: the inflight at which they began (long-term), and the current delivery
 * (short-term, reset by each bandwidth probe). draft-ietf-ccwg-bbr §5.5.10. Infinity: no limit.
 */
export class BbrLossModel {
  bandwidthShortTerm: number = Number.POSITIVE_INFINITY
  inflightShortTerm: number = Number.POSITIVE_INFINITY
  inflightLongTerm: number = Number.POSITIVE_INFINITY
  /** The most bytes delivered by one sample in this round trip. */
  inflightLatest = 0
  isLossInRound = false
  /** Whether this ACK ends a round trip counted from the first loss, or from the previous loss round. */
  isLossRoundStart = false

  datagramBytes: number
  private readonly rate: DeliveryRate
  private bandwidthLatest = 0
  private lossRoundDelivered = 0
  /** Separate runs of losses in this round trip, and the packet number where the last one ended. */
  private lossRanges = 0
  private lastLost = -1
  private readonly undo = { bandwidthShortTerm: 0, inflightShortTerm: 0, inflightLongTerm: 0 }

  constructor(rate: DeliveryRate, datagramBytes: number) {
    this.rate = rate
    this.datagramBytes = datagramBytes
  }

  /**
   * NoteLoss; `delivered` is the total so far. Returns whether this is the first loss of a round trip, before which
   * the caller saves its state.
   */
  noteLoss(delivered: number): boolean {
    const first = !this.isLossInRound
    if (first) {
      this.lossRoundDelivered = delivered
      this.saveState()
    }
    this.isLossInRound = true
    return first
  }

  saveState(): void {
    this.undo.bandwidthShortTerm = this.bandwidthShortTerm
    this.undo.inflightShortTerm = this.inflightShortTerm
    this.undo.inflightLongTerm = this.inflightLongTerm
  }

  /** §5.5.11.2 */
  restoreState(): void {
    this.isLossInRound = false
    this.bandwidthShortTerm = Math.max(this.bandwidthShortTerm, this.undo.bandwidthShortTerm)
    this.inflightShortTerm = Math.max(this.inflightShortTerm, this.undo.inflightShortTerm)
    this.inflightLongTerm = Math.max(this.inflightLongTerm, this.undo.inflightLongTerm)
  }

  countLossRange(packet: SentPacket): void {
    if (packet.packetNumber !== this.lastLost + 1) this.lossRanges++
    this.lastLost = packet.packetNumber
  }

  /** Whether the round trip ending with this ACK lost too much, in too many separate runs, to stay in Startup. */
  get isStartupLossHigh(): boolean {
    return this.isLossRoundStart && this.lossRanges >= startupLossRanges && this.isInflightTooHigh
  }

  /** The most bytes lost of `inflight` that do not tell of congestion. */
  private tolerated(inflight: number): number {
    const mean = lossThreshold * inflight
    return mean + chance * Math.sqrt(mean * this.datagramBytes)
  }

  /** Whether more was lost since the newest acknowledged packet was sent. */
  get isInflightTooHigh(): boolean {
    return this.rate.sampleLost > this.tolerated(this.rate.txInFlight)
  }

  /** The same for a lost packet. */
  isInflightTooHighAt(packet: SentPacket): boolean {
    return this.rate.lost - packet.lostAtSend > this.tolerated(packet.txInFlight)
  }

  /** The inflight at which losses crossed the threshold; `packet` is the loss that crossed it. §5.5.10.2 */
  inflightAtLoss(packet: SentPacket): number {
    const inflightBefore = packet.txInFlight - packet.size
    const lostBefore = this.rate.lost - packet.lostAtSend - packet.size
    return inflightBefore + (this.tolerated(inflightBefore) - lostBefore) / (1 - lossThreshold)
  }

  limitLongTerm(inflight: number, targetInflight: number): void {
    this.inflightLongTerm = Math.max(inflight, targetInflight * beta)
  }

  /** The long-term limit less headroom for other flows. */
  inflightWithHeadroom(maxDatagramSize: number, minimum: number): number {
    const limit = this.inflightLongTerm
    if (limit === Number.POSITIVE_INFINITY) return limit
    return Math.max(limit - Math.max(maxDatagramSize, headroom * limit), minimum)
  }

  /** UpdateLatestDeliverySignals. §5.5.10.3 */
  updateLatest(): void {
    const { rate } = this
    this.isLossRoundStart = rate.priorDelivered >= this.lossRoundDelivered
    this.bandwidthLatest = Math.max(this.bandwidthLatest, rate.rate)
    this.inflightLatest = Math.max(this.inflightLatest, rate.sampleDelivered)
    if (this.isLossRoundStart) this.lossRoundDelivered = rate.delivered
  }

  /**
   * Once per round trip: slows to the delivered rate if there were losses not caused by a probe. Only if they were too many,
   * unlike in the draft: each of a hundred round trips with a lost packet would take that packet from the limit.
   */
  adaptShortTerm(isProbing: boolean, maxBandwidth: number, window: number): void {
    if (!this.isLossRoundStart) return
    if (this.isLossInRound && !isProbing && this.isInflightTooHigh) {
      if (this.bandwidthShortTerm === Number.POSITIVE_INFINITY) this.bandwidthShortTerm = maxBandwidth
      if (this.inflightShortTerm === Number.POSITIVE_INFINITY) this.inflightShortTerm = window
      this.bandwidthShortTerm = Math.max(this.bandwidthLatest, beta * this.bandwidthShortTerm)
      this.inflightShortTerm = Math.max(this.inflightLatest, beta * this.inflightShortTerm)
    }
    this.isLossInRound = false
  }

  /** AdvanceLatestDeliverySignals, at the end of processing an ACK. */
  advanceLatest(): void {
    if (!this.isLossRoundStart) return
    this.bandwidthLatest = this.rate.rate
    this.inflightLatest = this.rate.sampleDelivered
    this.lossRanges = 0
  }

  resetCongestionSignals(): void {
    this.isLossInRound = false
    this.bandwidthLatest = 0
    this.inflightLatest = 0
  }

  resetShortTerm(): void {
    this.bandwidthShortTerm = Number.POSITIVE_INFINITY
    this.inflightShortTerm = Number.POSITIVE_INFINITY
  }
}
