import { PathCounters } from "./PathCounters.ts"
import type { Role } from "../wire/Role.ts"
import type { AckFrame } from "../wire/AckFrame.ts"
import { type HandshakeSpace, Space } from "../wire/PacketType.ts"
import type { TransportError } from "../wire/TransportError.ts"
import { ackResults } from "./AckResults.ts"
import type { CongestionController } from "./CongestionController.ts"
import { CongestionFeedback } from "./CongestionFeedback.ts"
import { LossTimer, type LossTimeout } from "./LossTimer.ts"
import { isPersistentCongestion } from "./persistentCongestion.ts"
import { ReorderingTolerance } from "./ReorderingTolerance.ts"
import { defaultInitialRttMicros, RttEstimator } from "./RttEstimator.ts"
import { SendAllowance, type SendAllowanceConfig } from "./SendAllowance.ts"
import type { PacketBatch, SentPacket } from "./SentPacket.ts"
import { discardedPackets, SentPackets } from "./SentPackets.ts"

export interface PathRecoveryConfig extends SendAllowanceConfig {
  readonly role: Role
  /** The path of the handshake, which alone has its packet-number spaces. */
  readonly isFirst: boolean
  /** 333 ms unless the path is known. RFC 9002 §6.2.2 */
  readonly initialRttMicros?: number
}

/**
 * Loss detection, congestion control and pacing of one path, over its three packet-number spaces (paths other than
 * the first use only the application space). RFC 9002.
 *
 * Driving it:
 * - to send: `begin(space)`, fill `packet.frames`, seal it, `commit(packet, …)`. Before data, ask `sendQuota`;
 *   when it says less than a datagram, wait for an ACK or until `nextSendMicros`. ACK-only packets and probes never ask.
 * - on an ACK frame: `onAck`; at `deadlineMicros()`: `onTimeout`. Then process the frames of `acked`, `lateAcked`
 *   (declared lost, then acknowledged) and `lost`, which are valid until the next such call on any path.
 */
export class PathRecovery {
  readonly rtt: RttEstimator
  readonly counters: PathCounters = new PathCounters()
  readonly timeout: LossTimeout = { kind: "none", space: Space.Initial, probes: 0 }
  /** @internal */
  readonly spaces: Array<SentPackets>
  readonly timer: LossTimer
  private readonly allowance: SendAllowance
  private readonly feedback = new CongestionFeedback()
  private readonly tolerance = new ReorderingTolerance()
  private readonly initialRttMicros: number
  private maxDatagramSize: number

  constructor(config: PathRecoveryConfig) {
    this.initialRttMicros = config.initialRttMicros ?? defaultInitialRttMicros
    this.maxDatagramSize = config.maxDatagramSize
    this.rtt = new RttEstimator(this.initialRttMicros)
    this.allowance = new SendAllowance(config, this.rtt)
    const [initial, handshake] = config.isFirst
      ? [new SentPackets(Space.Initial), new SentPackets(Space.Handshake)]
      : discardedPackets
    this.spaces = [initial, handshake, new SentPackets(Space.Application)]
    this.timer = new LossTimer(this.spaces, this.rtt, config.role)
  }

  // — sending ——————————————————————————————————————————————————————————————————————————————————————————————————

  nextPacketNumber(space: Space): number {
    return this.spaces[space].nextPacketNumber
  }

  /** -1 before the first ACK. `packetNumberLength` encodes relative to it. */
  largestAcked(space: Space): number {
    return this.spaces[space].largestAcked
  }

  /** Leaves a number unused, to detect a peer that acknowledges packets it has not received. RFC 9000 §21.4 */
  skipPacketNumber(space: Space): void {
    this.spaces[space].skipPacketNumber()
  }

  /** The record of the next packet of a space; until `commit`, further calls clear and return the same record. */
  begin(space: Space): SentPacket {
    return this.spaces[space].begin()
  }

  /** The packet was sealed; `inFlight` is false only if it carries nothing but ACK and CONNECTION_CLOSE. */
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
    // RFC 9002 §7.7 #S3: packets with only ACK frames are not paced
    if (inFlight) {
      this.allowance.onPacketSent(packet, this.ptoMicros(), nowMicros)
      this.timer.restartedMicros = nowMicros
    }
    this.spaces[packet.space].commit(packet)
  }

  /** RFC 9002 §7 #2: bytes that window and pacer allow now; 0 if less than a full datagram. */
  sendQuota(nowMicros: number): number {
    return this.allowance.quota(nowMicros)
  }

  /** When the pacer allows data again: now if it already does, Infinity while the window is full (an ACK opens it). */
  nextSendMicros(nowMicros: number): number {
    return this.allowance.nextSendMicros(nowMicros)
  }

  /** RFC 9002 §7.8 #S2: call when the quota, including pacing, allows more but there is nothing to send. */
  onAppLimited(): void {
    this.congestion.onAppLimited(this.bytesInFlight)
  }

  /** The oldest packet in flight; walk by `.next`. A PTO with nothing new to send retransmits these. */
  oldestOutstanding(space: Space): SentPacket | undefined {
    return this.spaces[space].outstanding.first
  }

  newestOutstanding(space: Space): SentPacket | undefined {
    return this.spaces[space].outstanding.last
  }

  // — acknowledgment and loss ——————————————————————————————————————————————————————————————————————————————————

  get acked(): PacketBatch {
    return ackResults.acked
  }

  get lateAcked(): PacketBatch {
    return ackResults.lateAcked
  }

  get lost(): PacketBatch {
    return ackResults.lost
  }

  /**
   * `ackDelayMicros` is as decoded from the frame; `waitedMicros` is how long this side buffered the packet until it had
   * the keys. An error closes the connection; the lists are then empty.
   */
  onAck(
    space: Space,
    ack: AckFrame,
    ackDelayMicros: number,
    nowMicros: number,
    waitedMicros = 0
  ): TransportError | undefined {
    this.beginResults(nowMicros)
    const { acked } = this.feedback
    const sent = this.spaces[space]
    const error = sent.takeAcked(ack, acked, this.lateAcked)
    if (error !== undefined) return error
    if (acked.length === 0 && this.lateAcked.length === 0) return undefined

    const afterMicros = this.congestionBoundMicros
    this.takeRttSample(sent, ack.largest, ackDelayMicros, nowMicros - waitedMicros)
    this.onLateAcked(ack.largest)
    this.detectLoss(sent, afterMicros, nowMicros)
    if (acked.length > 0) {
      this.feedback.isWindowLimited = this.allowance.isWindowLimited(
        this.feedback.newestAckedSentMicros,
        nowMicros
      )
      if (this.feedback.ackedBytes > 0) this.congestion.onAcked(this.feedback, this.rtt)
    }
    // RFC 9002 §6.2.1: the client does not reset the backoff on ACKs in Initial packets.
    if (space === Space.Handshake) this.timer.peerValidatedAddress = true
    if (this.timer.peerValidatedAddress) this.timer.ptoCount = 0
    this.timer.restartedMicros = this.timer.progressMicros = nowMicros
    this.allowance.updatePacing(nowMicros)
    return undefined
  }

  /** When `onTimeout` is due; Infinity when nothing is. */
  deadlineMicros(): number {
    return this.timer.deadlineMicros
  }

  onTimeout(nowMicros: number): LossTimeout {
    this.beginResults(nowMicros)
    const { timeout, timer } = this
    timeout.kind = "none"
    timeout.probes = 0
    if (nowMicros < timer.deadlineMicros) return timeout
    const sent = timer.lossSpace
    if (sent !== undefined) {
      this.detectLoss(sent, this.congestionBoundMicros, nowMicros)
      this.allowance.updatePacing(nowMicros)
      timeout.kind = "loss"
      timeout.space = sent.space
      return timeout
    }
    // RFC 9002 §6.2 #1: a PTO does not declare packets lost
    timer.startProbe(timeout, nowMicros)
    this.counters.probeTimeouts++
    return timeout
  }

  /**
   * The peer's CE count increased and the counts were valid; call it after `onAck` for the same frame.
   * RFC 9002 §7.1
   */
  onEcnCongestion(nowMicros: number): void {
    if (this.congestion.onEcnCongestion(this.feedback.newestAckedSentMicros, nowMicros)) {
      this.counters.congestionEvents++
      this.tolerance.onEcnCongestion(this.counters.congestionEvents)
      this.allowance.updatePacing(nowMicros)
    }
  }

  // — connection events ————————————————————————————————————————————————————————————————————————————————————————

  /** RFC 9002 §6.2.2, §6.4 #1: Initial or Handshake keys were discarded; the timers restart. */
  discardSpace(space: HandshakeSpace, nowMicros: number): void {
    const sent = this.spaces[space]
    for (let packet = sent.outstanding.first; packet !== undefined; packet = packet.next) {
      if (packet.inFlight) this.allowance.bytesInFlight -= packet.size
    }
    sent.discard()
    this.spaces[space] = discardedPackets[space]
    this.timer.restart(nowMicros)
  }

  /** Moves all outstanding to `lost` without a congestion event: Retry, rejected 0-RTT, an abandoned path. RFC 9002 §6.3 */
  abandonPackets(space: Space, nowMicros: number): PacketBatch {
    this.beginResults(nowMicros)
    this.spaces[space].takeAll(this.lost)
    this.removeFromFlight()
    this.timer.restart(nowMicros)
    return this.lost
  }

  /** The peer cannot decrypt anything sent so far. RFC 9001 §4.6.2 */
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

  /** The server reached its amplification limit, or may send again. RFC 9002 §6.2.2.1 */
  setAmplificationLimited(limited: boolean): void {
    this.timer.isAmplificationLimited = limited
  }

  /** How many later packets must be acknowledged before one is declared lost. RFC 9002 §6.1.1 */
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
    // RFC 9002 §7.2 #S3: the size was reduced to complete the handshake; reset to the initial window
    this.allowance.setMaxDatagramSize(maxDatagramSize, isSmaller && !this.timer.handshakeConfirmed)
  }

  /**
   * The peer's address changed: resets window and RTT; packets in flight count only for the old path.
   * RFC 9000 §9.4 #1
   */
  resetForMigration(nowMicros: number, initialRttMicros: number = this.initialRttMicros): void {
    this.beginResults(nowMicros)
    for (const sent of this.spaces) {
      sent.firstOnPath = sent.nextPacketNumber
      for (let packet = sent.outstanding.first; packet !== undefined; packet = packet.next)
        packet.inFlight = false
    }
    this.feedback.newestAckedSentMicros = nowMicros
    this.rtt.reset(initialRttMicros)
    this.timer.ptoCount = 0
    this.allowance.reset(nowMicros)
  }

  // — getters ——————————————————————————————————————————————————————————————————————————————————————————————————

  get congestion(): CongestionController {
    return this.allowance.congestion
  }

  get bytesInFlight(): number {
    return this.allowance.bytesInFlight
  }

  get congestionWindow(): number {
    return this.congestion.window
  }

  /** Ack-eliciting packets in flight, over all spaces. */
  get packetsInFlight(): number {
    let count = 0
    for (const { ackElicitingInFlight } of this.spaces) count += ackElicitingInFlight
    return count
  }

  get ptoCount(): number {
    return this.timer.ptoCount
  }

  /** The PTO of the application space without backoff; basis of the closing, idle and path-validation timeouts. */
  ptoMicros(): number {
    return this.rtt.ptoBaseMicros + this.timer.maxAckDelayMicros
  }

  /** Bytes per microsecond. */
  get pacingRate(): number {
    return this.allowance.pacingRate
  }

  // ————————————————————————————————————————————————————————————————————————————————————————————————————————————

  /** Losses of packets sent later than this may be persistent congestion. */
  private get congestionBoundMicros(): number {
    return Math.max(this.feedback.newestAckedSentMicros, this.rtt.firstSampleAtMicros)
  }

  private beginResults(nowMicros: number): void {
    ackResults.begin(this.spaces)
    this.feedback.clear(nowMicros)
  }

  /** RFC 9002 §5.1, §5.3 #S3: measured up to the arrival of the ACK. */
  private takeRttSample(
    sent: SentPackets,
    largest: number,
    ackDelayMicros: number,
    arrivedMicros: number
  ): void {
    const newest = this.feedback.findRttSample(largest, sent.firstOnPath)
    if (newest === undefined) return
    let delay = ackDelayMicros
    if (sent.space === Space.Initial) delay = 0
    // RFC 9002 §5.3 #1 #S1 #S2: capped at the peer's max_ack_delay once the handshake is confirmed.
    else if (this.timer.handshakeConfirmed) delay = Math.min(delay, this.timer.maxAckDelayMicros)
    this.rtt.onSample(arrivedMicros - newest.timeSentMicros, delay, arrivedMicros)
    this.feedback.hasRttSample = true
  }

  /** Spurious losses: tolerate more reordering, and undo a congestion event that consists only of them. */
  private onLateAcked(largest: number): void {
    const { lateAcked, tolerance } = this
    for (let i = 0; i < lateAcked.length; i++) {
      this.counters.spuriousLosses++
      if (tolerance.onSpuriousLoss(lateAcked.items[i], largest)) this.congestion.onSpuriousCongestion()
    }
  }

  /** RFC 9002 §6.1. `afterMicros`: `congestionBoundMicros` before this ACK. */
  private detectLoss(sent: SentPackets, afterMicros: number, nowMicros: number): void {
    const { tolerance } = this
    sent.takeLost(nowMicros, tolerance.lossDelayMicros(this.rtt), tolerance.packetThreshold, this.lost)
    this.removeFromFlight()
    this.reactToLoss(afterMicros)
  }

  private removeFromFlight(): void {
    const { feedback, counters } = this
    const { acked, lost } = feedback
    this.allowance.bytesInFlight = feedback.tally(this.bytesInFlight)
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
    // RFC 9002 §7.6.1: includes max_ack_delay irrespective of the space.
    if (isPersistentCongestion(feedback.lost, feedback.acked, afterMicros, this.ptoMicros())) {
      counters.persistentCongestions++
      this.congestion.onPersistentCongestion()
      this.rtt.onPersistentCongestion()
    }
  }
}
