import type { DeliveryRate } from "./DeliveryRate.ts"
import type { SentPacket } from "./SentPacket.ts"

/** The most loss a round trip may have while probing. draft-ietf-ccwg-bbr §2.7 */
const lossThreshold = 0.02
const beta = 0.7
const headroom = 0.15
/** BBRStartupFullLossCnt, §5.3.1.3 */
const startupLossRanges = 6

/**
 * What losses tell BBR about a path: how much was in flight when they began (long-term), and what it delivers at
 * present (short-term, forgotten with each probe for bandwidth). draft-ietf-ccwg-bbr §5.5.10. Infinity: no limit.
 */
export class BbrLossModel {
  bandwidthShortTerm: number = Number.POSITIVE_INFINITY
  inflightShortTerm: number = Number.POSITIVE_INFINITY
  inflightLongTerm: number = Number.POSITIVE_INFINITY
  /** The most bytes delivered within a flight in this round trip. */
  inflightLatest = 0
  isLossInRound = false
  /** A round trip has passed since the first loss of a round, or since the last such moment. */
  isLossRoundStart = false

  private readonly rate: DeliveryRate
  private bandwidthLatest = 0
  private lossRoundDelivered = 0
  /** Gaps lost in this round trip, and the packet number the last of them ended at. */
  private lossRanges = 0
  private lastLost = -1
  private readonly undo = { bandwidthShortTerm: 0, inflightShortTerm: 0, inflightLongTerm: 0 }

  constructor(rate: DeliveryRate) {
    this.rate = rate
  }

  /**
   * NoteLoss, with the bytes delivered by now; returns whether it is the first loss of a round trip, whose state is
   * then saved.
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

  /** Whether the round trip that ends with this ACK lost too much, in too many places, for Startup to go on. */
  get isStartupLossHigh(): boolean {
    return this.isLossRoundStart && this.lossRanges >= startupLossRanges && this.isInflightTooHigh
  }

  /** Whether more than 2 % was lost in the flight of the newest packet acknowledged. */
  get isInflightTooHigh(): boolean {
    return this.rate.sampleLost > this.rate.txInFlight * lossThreshold
  }

  /** The same for the flight of a packet that was lost. */
  isInflightTooHighAt(packet: SentPacket): boolean {
    return this.rate.lost - packet.lostAtSend > packet.txInFlight * lossThreshold
  }

  /** How much was in flight when losses crossed the threshold, `packet` being the one that crossed it. §5.5.10.2 */
  inflightAtLoss(packet: SentPacket): number {
    const inflightBefore = packet.txInFlight - packet.size
    const lostBefore = this.rate.lost - packet.lostAtSend - packet.size
    return inflightBefore + (lossThreshold * inflightBefore - lostBefore) / (1 - lossThreshold)
  }

  limitLongTerm(inflight: number, targetInflight: number): void {
    this.inflightLongTerm = Math.max(inflight, targetInflight * beta)
  }

  /** The long-term limit with room left for others. */
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

  /** Once a round trip: slows down to what was delivered, if something was lost and no probe was to blame. */
  adaptShortTerm(isProbing: boolean, maxBandwidth: number, window: number): void {
    if (!this.isLossRoundStart) return
    if (this.isLossInRound && !isProbing) {
      if (this.bandwidthShortTerm === Number.POSITIVE_INFINITY) this.bandwidthShortTerm = maxBandwidth
      if (this.inflightShortTerm === Number.POSITIVE_INFINITY) this.inflightShortTerm = window
      this.bandwidthShortTerm = Math.max(this.bandwidthLatest, beta * this.bandwidthShortTerm)
      this.inflightShortTerm = Math.max(this.inflightLatest, beta * this.inflightShortTerm)
    }
    this.isLossInRound = false
  }

  /** AdvanceLatestDeliverySignals, at the end of an ACK. */
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
