import type { AckFrame } from "../wire/AckFrame.ts"
import { Space } from "../wire/PacketType.ts"
import type { TransportError } from "../wire/TransportError.ts"
import type { CongestionController, CongestionControllerFactory } from "./CongestionController.ts"
import { CongestionFeedback } from "./CongestionFeedback.ts"
import { LossTimer } from "./LossTimer.ts"
import { Pacer } from "./Pacer.ts"
import { spansPersistentCongestion } from "./persistentCongestion.ts"
import { ReorderingTolerance } from "./ReorderingTolerance.ts"
import { defaultInitialRttMicros, RttEstimator } from "./RttEstimator.ts"
import { PacketBatch, type SentPacket } from "./SentPacket.ts"
import { SentPackets } from "./SentPackets.ts"
import { WindowUse } from "./WindowUse.ts"

/** kPersistentCongestionThreshold, RFC 9002 §7.6.1 #S1 */
const persistentCongestionThreshold = 3

export interface PathRecoveryConfig {
  readonly isClient: boolean
  readonly congestion: CongestionControllerFactory
  readonly maxDatagramSize: number
  /** 333 ms unless the path is known. RFC 9002 §6.2.2 */
  readonly initialRttMicros?: number
}

/** What `onTimeout` found; reused. */
export interface LossTimeout {
  /** `loss`: `lost` holds packets. `probe`: send `probes` ack-eliciting packets in `space`, whatever `sendQuota` says. */
  kind: "none" | "loss" | "probe"
  space: Space
  probes: number
}

/** Totals of one path since its start. */
export class PathCounters {
  packetsSent = 0
  bytesSent = 0
  packetsAcked = 0
  packetsLost = 0
  bytesLost = 0
  spuriousLosses = 0
  congestionEvents = 0
  persistentCongestions = 0
  probeTimeouts = 0
}

/**
 * Loss detection, congestion control and pacing of one path, over its three packet-number spaces (a path other than
 * the first uses only the application's). RFC 9002.
 *
 * Driving it:
 * - to send: `begin(space)`, fill `packet.frames`, seal it, `commit(packet, …)`. Before data, ask `sendQuota`;
 *   when it says less than a datagram, wait for an ACK or until `nextSendMicros`. ACK-only packets and probes never ask.
 * - on an ACK frame: `onAck`; on reaching `deadlineMicros()`: `onTimeout`. Then deal with the frames of `acked`,
 *   `lateAcked` (lost before, arrived after all) and `lost`, which hold until the next such call.
 */
export class PathRecovery {
  readonly rtt: RttEstimator
  readonly counters: PathCounters = new PathCounters()
  readonly timeout: LossTimeout = { kind: "none", space: Space.Initial, probes: 0 }
  readonly lateAcked: PacketBatch = new PacketBatch()
  bytesInFlight = 0
  congestion: CongestionController

  private readonly spaces: ReadonlyArray<SentPackets>
  private readonly timer: LossTimer
  private readonly pacer: Pacer
  private readonly feedback = new CongestionFeedback()
  private readonly tolerance = new ReorderingTolerance()
  private readonly windowUse = new WindowUse()
  private readonly config: PathRecoveryConfig
  private maxDatagramSize: number
  /** When the newest acknowledged packet had left, over all spaces. */
  private newestAckedSentMicros = -1

  constructor(config: PathRecoveryConfig) {
    this.config = config
    this.maxDatagramSize = config.maxDatagramSize
    this.congestion = config.congestion(config.maxDatagramSize)
    this.rtt = new RttEstimator(config.initialRttMicros)
    this.pacer = new Pacer(config.maxDatagramSize)
    const pool: Array<SentPacket> = []
    this.spaces = [
      new SentPackets(Space.Initial, pool),
      new SentPackets(Space.Handshake, pool),
      new SentPackets(Space.Application, pool)
    ]
    this.timer = new LossTimer(this.spaces, this.rtt, config.isClient)
  }

  // — sending ——————————————————————————————————————————————————————————————————————————————————————————————————

  nextPacketNumber(space: Space): number {
    return this.spaces[space].nextPacketNumber
  }

  /** -1 before the first ACK; what `packetNumberLength` needs. */
  largestAcked(space: Space): number {
    return this.spaces[space].largestAcked
  }

  /** Leaves a number unused, to catch a peer that acknowledges unseen packets. RFC 9000 §21.4 */
  skipPacketNumber(space: Space): void {
    this.spaces[space].skipPacketNumber()
  }

  /** The record of the next packet of a space; asked again before `commit`, the same record, cleared. */
  begin(space: Space): SentPacket {
    return this.spaces[space].begin()
  }

  /** The packet has been written; `inFlight` is false only for packets of nothing but ACK and CONNECTION_CLOSE. */
  commit(
    packet: SentPacket,
    size: number,
    ackEliciting: boolean,
    inFlight: boolean,
    nowMicros: number
  ): void {
    packet.size = size
    packet.ackEliciting = ackEliciting
    packet.inFlight = inFlight
    packet.timeSentMicros = nowMicros
    this.counters.packetsSent++
    this.counters.bytesSent += size
    // RFC 9002 §7.7 #S3: what only acknowledges is not paced
    if (inFlight) {
      if (this.windowUse.isRestart(this.bytesInFlight, this.ptoMicros(), nowMicros)) {
        this.congestion.onIdleRestart(nowMicros)
        this.updatePacing(nowMicros)
      }
      this.congestion.onPacketSent(packet, this.bytesInFlight, nowMicros)
      this.pacer.onPacketSent(size, nowMicros)
      // RFC 9002 §7.5 #2: probes included
      this.bytesInFlight += size
      this.windowUse.onPacketSent(this.bytesInFlight, this.congestion.window, this.maxDatagramSize, nowMicros)
      this.timer.restartedMicros = nowMicros
    }
    this.spaces[packet.space].commit(packet)
  }

  /** RFC 9002 §7 #2: bytes that window and pacer let leave now. Less than a full datagram is reported as 0. */
  sendQuota(nowMicros: number): number {
    const window = this.congestion.window - this.bytesInFlight
    if (window < this.maxDatagramSize) return 0
    const paced = this.pacer.available(nowMicros)
    return paced < this.maxDatagramSize ? 0 : Math.min(window, paced)
  }

  /** When the pacer lets data leave again: now if it does, Infinity while the window is full (an ACK will open it). */
  nextSendMicros(nowMicros: number): number {
    if (this.congestion.window - this.bytesInFlight < this.maxDatagramSize) return Number.POSITIVE_INFINITY
    return this.pacer.nextSendMicros(nowMicros)
  }

  /** RFC 9002 §7.8 #S2: to be called when the quota, pacing included, allows more and there is nothing to send. */
  onAppLimited(): void {
    this.congestion.onAppLimited(this.bytesInFlight)
  }

  /** In flight, oldest first; walk by `.next`. On a PTO these are what to send again when there is nothing new. */
  oldestOutstanding(space: Space): SentPacket | undefined {
    return this.spaces[space].outstanding.first
  }

  // — acknowledgment and loss ——————————————————————————————————————————————————————————————————————————————————

  get acked(): PacketBatch {
    return this.feedback.acked
  }

  get lost(): PacketBatch {
    return this.feedback.lost
  }

  /**
   * `ackDelayMicros` as decoded from the frame; `waitedMicros` is how long this side has kept the packet until it had the
   * keys. An error closes the connection; the lists are then empty.
   */
  onAck(
    space: Space,
    ack: AckFrame,
    ackDelayMicros: number,
    nowMicros: number,
    waitedMicros = 0
  ): TransportError | undefined {
    this.settle(nowMicros)
    const { acked, lost } = this.feedback
    const sent = this.spaces[space]
    const error = sent.takeAcked(ack, acked, this.lateAcked)
    if (error !== undefined) return error
    if (acked.length === 0 && this.lateAcked.length === 0) return undefined

    const afterMicros = Math.max(this.newestAckedSentMicros, this.rtt.firstSampleAtMicros)
    this.takeRttSample(sent, ack.largest, ackDelayMicros, nowMicros - waitedMicros)
    this.onLateAcked(ack.largest)
    sent.takeLost(nowMicros, this.tolerance.lossDelayMicros(this.rtt), this.tolerance.packetThreshold, lost)
    this.leaveFlight()
    this.reactToLoss(afterMicros)
    if (acked.length > 0) {
      this.feedback.isWindowLimited = this.windowUse.onAcked(
        this.newestAckedSentMicros,
        this.congestion,
        nowMicros
      )
      this.feedback.newestAckedSentMicros = this.newestAckedSentMicros
      if (this.feedback.ackedBytes > 0) this.congestion.onAcked(this.feedback, this.rtt)
    }
    // RFC 9002 §6.2.1: the client does not reset the backoff on ACKs in Initial packets.
    if (space === Space.Handshake) this.timer.peerValidatedAddress = true
    if (this.timer.peerValidatedAddress) this.timer.ptoCount = 0
    this.timer.restartedMicros = nowMicros
    this.updatePacing(nowMicros)
    return undefined
  }

  /** When `onTimeout` is due; Infinity when nothing is. */
  deadlineMicros(): number {
    return this.timer.deadlineMicros
  }

  onTimeout(nowMicros: number): LossTimeout {
    this.settle(nowMicros)
    const { timeout, timer } = this
    timeout.kind = "none"
    timeout.probes = 0
    if (nowMicros < timer.deadlineMicros) return timeout
    const sent = timer.lossSpace
    if (sent !== undefined) {
      sent.takeLost(
        nowMicros,
        this.tolerance.lossDelayMicros(this.rtt),
        this.tolerance.packetThreshold,
        this.lost
      )
      this.leaveFlight()
      this.reactToLoss(Math.max(this.newestAckedSentMicros, this.rtt.firstSampleAtMicros))
      this.updatePacing(nowMicros)
      timeout.kind = "loss"
      timeout.space = sent.space
      return timeout
    }
    // RFC 9002 §6.2 #1: nothing is lost by this
    timeout.kind = "probe"
    timeout.space = timer.probeSpace
    // RFC 9002 §6.2.4 #1: one, and up to two so that a single lost probe does not cost another PTO.
    timeout.probes = timer.ackElicitingInFlight > 0 ? 2 : 1
    // RFC 9002 §6.2.1 #4: the backoff MUST be increased when a PTO timer expires.
    timer.ptoCount++
    timer.restartedMicros = nowMicros
    this.counters.probeTimeouts++
    return timeout
  }

  /**
   * The peer's CE count rose, and the counts were found valid; call it after the `onAck` of the same frame.
   * RFC 9002 §7.1
   */
  onEcnCongestion(nowMicros: number): void {
    if (this.congestion.onEcnCongestion(this.newestAckedSentMicros, nowMicros)) {
      this.counters.congestionEvents++
      this.tolerance.onEcnCongestion(this.counters.congestionEvents)
      this.updatePacing(nowMicros)
    }
  }

  // — what the connection learns ———————————————————————————————————————————————————————————————————————————————

  /** RFC 9002 §6.2.2, §6.4 #1: Initial or Handshake keys are gone, and the timers start anew. */
  discardSpace(space: Space, nowMicros: number): void {
    const sent = this.spaces[space]
    for (let packet = sent.outstanding.first; packet !== undefined; packet = packet.next) {
      if (packet.inFlight) this.bytesInFlight -= packet.size
    }
    sent.discard()
    this.timer.ptoCount = 0
    this.timer.restartedMicros = nowMicros
  }

  /** Everything outstanding moves to `lost`, without blame: Retry, rejected 0-RTT, an abandoned path. RFC 9002 §6.3 */
  abandonPackets(space: Space, nowMicros: number): PacketBatch {
    this.settle(nowMicros)
    this.spaces[space].takeAll(this.lost)
    this.leaveFlight()
    this.timer.ptoCount = 0
    this.timer.restartedMicros = nowMicros
    return this.lost
  }

  /** The peer can read nothing of what was sent so far. RFC 9001 §4.6.2 */
  expectNoAcks(space: Space): void {
    this.spaces[space].unreadableBelow = this.spaces[space].nextPacketNumber
  }

  onHandshakeKeys(): void {
    this.timer.hasHandshakeKeys = true
  }

  onHandshakeConfirmed(): void {
    this.timer.handshakeConfirmed = true
    this.timer.peerValidatedAddress = true
  }

  /** The server may send nothing more, or again something. RFC 9002 §6.2.2.1 */
  setAmplificationLimited(limited: boolean): void {
    this.timer.isAmplificationLimited = limited
  }

  /** How many later packets must have arrived before one counts as lost. RFC 9002 §6.1.1 */
  get packetThreshold(): number {
    return this.tolerance.packetThreshold
  }

  /** The peer's max_ack_delay; with ACK_FREQUENCY, the largest value in force or in flight. */
  setPeerMaxAckDelay(micros: number): void {
    this.timer.maxAckDelayMicros = micros
  }

  setMaxDatagramSize(maxDatagramSize: number): void {
    if (maxDatagramSize === this.maxDatagramSize) return
    const isSmaller = maxDatagramSize < this.maxDatagramSize
    this.maxDatagramSize = maxDatagramSize
    // RFC 9002 §7.2 #S3: smaller so that the handshake gets through: the window begins anew
    if (isSmaller && !this.timer.handshakeConfirmed) this.congestion = this.config.congestion(maxDatagramSize)
    else this.congestion.setMaxDatagramSize(maxDatagramSize)
    this.pacer.setMaxDatagramSize(maxDatagramSize)
  }

  /**
   * The peer's address changed: window and RTT start anew, and what is in flight counts on the old path only.
   * RFC 9000 §9.4 #1
   */
  resetForMigration(
    nowMicros: number,
    initialRttMicros: number = this.config.initialRttMicros ?? defaultInitialRttMicros
  ): void {
    this.settle(nowMicros)
    for (const sent of this.spaces) {
      sent.firstOnPath = sent.nextPacketNumber
      for (let packet = sent.outstanding.first; packet !== undefined; packet = packet.next)
        packet.inFlight = false
    }
    this.bytesInFlight = 0
    this.newestAckedSentMicros = nowMicros
    this.rtt.reset(initialRttMicros)
    this.congestion = this.config.congestion(this.maxDatagramSize)
    this.timer.ptoCount = 0
    this.windowUse.reset()
    this.updatePacing(nowMicros)
  }

  // — getters ——————————————————————————————————————————————————————————————————————————————————————————————————

  get congestionWindow(): number {
    return this.congestion.window
  }

  /** Packets that ask for an ACK, over all spaces. */
  get packetsInFlight(): number {
    let count = 0
    for (const { ackElicitingInFlight } of this.spaces) count += ackElicitingInFlight
    return count
  }

  get ptoCount(): number {
    return this.timer.ptoCount
  }

  /** The PTO of the application space without backoff: what closing, idling and path validation wait for. */
  ptoMicros(): number {
    return this.rtt.ptoBaseMicros + this.timer.maxAckDelayMicros
  }

  /** Bytes per microsecond. */
  get pacingRate(): number {
    return this.pacer.bytesPerMicro
  }

  // ————————————————————————————————————————————————————————————————————————————————————————————————————————————

  /** The owner has dealt with the last results: their records are free, or watched for a late arrival. */
  private settle(nowMicros: number): void {
    const { feedback, lateAcked } = this
    for (let i = 0; i < feedback.acked.length; i++) this.recycle(feedback.acked.items[i])
    for (let i = 0; i < lateAcked.length; i++) this.recycle(lateAcked.items[i])
    for (let i = 0; i < feedback.lost.length; i++) {
      const packet = feedback.lost.items[i]
      this.spaces[packet.space].rememberLost(packet)
    }
    lateAcked.clear()
    feedback.clear(nowMicros)
  }

  private recycle(packet: SentPacket): void {
    this.spaces[packet.space].recycle(packet)
  }

  /** RFC 9002 §5.1, §5.3 #S3: as of when the ACK arrived. */
  private takeRttSample(
    sent: SentPackets,
    largest: number,
    ackDelayMicros: number,
    arrivedMicros: number
  ): void {
    const { acked } = this.feedback
    let newest: SentPacket | undefined
    let ackEliciting = false
    for (let i = 0; i < acked.length; i++) {
      const packet = acked.items[i]
      if (packet.ackEliciting) ackEliciting = true
      if (packet.isPathProbe) continue // RFC 9002 §6.2.2 #S2
      if (packet.packetNumber === largest) newest = packet
      if (packet.packetNumber >= sent.firstOnPath && packet.timeSentMicros > this.newestAckedSentMicros) {
        this.newestAckedSentMicros = packet.timeSentMicros
      }
    }
    // RFC 9002 §5.1 #1 #S1: no sample unless the largest is newly acknowledged, and something ack-eliciting.
    if (newest === undefined || !ackEliciting || largest < sent.firstOnPath) return
    let delay = ackDelayMicros
    if (sent.space === Space.Initial) delay = 0
    // RFC 9002 §5.3 #1 #S1 #S2: the lesser of the delay and the peer's max_ack_delay, but not before confirmation.
    else if (this.timer.handshakeConfirmed) delay = Math.min(delay, this.timer.maxAckDelayMicros)
    this.rtt.onSample(arrivedMicros - newest.timeSentMicros, delay, arrivedMicros)
    this.feedback.hasRttSample = true
  }

  /** Losses that were none: wait longer next time, and undo a congestion event made of nothing else. */
  private onLateAcked(largest: number): void {
    const { lateAcked, tolerance } = this
    for (let i = 0; i < lateAcked.length; i++) {
      this.counters.spuriousLosses++
      if (tolerance.onSpuriousLoss(lateAcked.items[i], largest)) this.congestion.onSpuriousCongestion()
    }
  }

  /** Takes the acknowledged and lost packets out of the bytes in flight. */
  private leaveFlight(): void {
    const { feedback, counters } = this
    const { acked, lost } = feedback
    this.bytesInFlight = feedback.tally(this.bytesInFlight)
    counters.packetsAcked += acked.length
    counters.packetsLost += lost.length
    for (let i = 0; i < lost.length; i++) counters.bytesLost += lost.items[i].size
  }

  private reactToLoss(afterMicros: number): void {
    const { feedback, counters } = this
    if (feedback.lostBytes === 0) return
    // RFC 9000 §13.3 #4, RFC 9002 §7.4 #1
    if (this.congestion.onLost(feedback, this.rtt)) counters.congestionEvents++
    this.tolerance.onLost(feedback.lost, counters.congestionEvents)
    // RFC 9002 §7.6.1: max_ack_delay counts whatever the space.
    const duration = this.ptoMicros() * persistentCongestionThreshold
    if (spansPersistentCongestion(feedback.lost, feedback.acked, afterMicros, duration)) {
      counters.persistentCongestions++
      this.congestion.onPersistentCongestion()
      this.rtt.onPersistentCongestion()
    }
  }

  private updatePacing(nowMicros: number): void {
    this.pacer.setRate(this.congestion.pacingRate(this.rtt), nowMicros)
  }
}
