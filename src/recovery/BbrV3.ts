import { BbrLossModel } from "./BbrLossModel.ts"
import { BbrPathModel } from "./BbrPathModel.ts"
import { BbrPipe } from "./BbrPipe.ts"
import { BbrProbeCycle } from "./BbrProbeCycle.ts"
import { type BbrState, gains, isInProbeBw } from "./BbrStates.ts"
import { nextWindow, probeRttWindow } from "./bbrWindow.ts"
import {
  type CongestionController,
  initialWindow,
  minimumWindow,
  windowForDatagramSize
} from "./CongestionController.ts"
import type { CongestionFeedback } from "./CongestionFeedback.ts"
import { DeliveryRate } from "./DeliveryRate.ts"
import type { RttEstimator } from "./RttEstimator.ts"
import type { SentPacket } from "./SentPacket.ts"

/** BBR.PacingMarginPercent: paces slightly below the bandwidth so that queues drain. §5.6.2 */
const pacingMargin = 0.99
const drainRounds = 3
const probeRttMicros = 200_000
const renoRounds = 63

/**
 * BBR version 3: paces at the measured bandwidth and keeps about two bandwidth-delay products in flight. Probes for
 * more bandwidth every two to three seconds and for the propagation delay every five. draft-ietf-ccwg-bbr §5.
 */
export class BbrV3 implements CongestionController {
  window: number
  state: BbrState = "startup"
  /** The bandwidth the model currently considers safe, in bytes per microsecond. */
  bandwidth = 0

  readonly rate: DeliveryRate = new DeliveryRate()
  readonly model: BbrPathModel = new BbrPathModel(this.rate)
  readonly losses: BbrLossModel
  readonly pipe: BbrPipe
  private pacing: number
  private priorWindow = 0
  private hasRtt = false
  private isIdleRestart = false
  /** Packets sent until then belong to the current recovery period; -1 when there is none. */
  private recoveryStartMicros = -1
  private undoState: "startup" | "up" | "none" = "none"
  private drainStartRound = 0
  private readonly cycle = new BbrProbeCycle()
  /** When ProbeRTT may end (0 until the inflight is small enough), and whether a round trip has passed since. */
  private readonly probeRtt = { doneAtMicros: 0, roundDone: false }

  constructor(maxDatagramSize: number) {
    this.pipe = new BbrPipe(this.model, maxDatagramSize)
    this.losses = new BbrLossModel(this.rate, maxDatagramSize)
    this.window = initialWindow(maxDatagramSize)
    // §5.6.2: assumes 1 ms before the first RTT sample.
    this.pacing = (gains.startup[0] * this.window) / 1_000
  }

  /** BBR has no such threshold; finite once Startup is over. */
  get slowStartThreshold(): number {
    return this.model.fullPipe.wasReached ? this.window : Number.POSITIVE_INFINITY
  }

  pacingRate(): number {
    return this.pacing
  }

  onPacketSent(packet: SentPacket, bytesInFlight: number, nowMicros: number): void {
    if (bytesInFlight === 0 && this.rate.isInAppLimitedPhase) this.restartFromIdle(nowMicros)
    this.rate.onPacketSent(packet, bytesInFlight, nowMicros)
  }

  /** UpdateOnACK. §5.2.3 */
  onAcked(feedback: CongestionFeedback, rtt: RttEstimator): void {
    const { rate, model, losses } = this
    const { nowMicros, bytesInFlight } = feedback
    rate.onAcked(feedback, rtt.minMicros)
    if (!this.hasRtt && feedback.hasRttSample) {
      this.hasRtt = true
      this.pacing =
        (gains.startup[0] * initialWindow(this.pipe.maxDatagramSize)) / Math.max(rtt.latestMicros, 1)
    }
    if (this.recoveryStartMicros >= 0 && feedback.newestAckedSentMicros > this.recoveryStartMicros) {
      this.recoveryStartMicros = -1
      this.restoreWindow()
    }
    losses.updateLatest()
    model.updateBandwidth()
    if (model.isRoundStart) this.cycle.roundsSinceProbe++
    losses.adaptShortTerm(this.isProbing, model.maxBandwidth, this.window)
    model.updateAggregation(this.bandwidth, this.window, nowMicros)
    model.updateFullPipe()
    this.checkStartupDone()
    this.checkDrainDone(bytesInFlight, nowMicros)
    this.advanceCycle(feedback)
    model.updateMinRtt(feedback.hasRttSample ? rtt.latestMicros : -1, nowMicros)
    this.checkProbeRtt(bytesInFlight, nowMicros)
    losses.advanceLatest()
    this.bandwidth = Math.min(model.maxBandwidth, losses.bandwidthShortTerm)
    this.setPacing(gains[this.state][0])
    this.window = nextWindow(this)
  }

  /** HandleLostPacket. §5.5.10.2 */
  onLost(feedback: CongestionFeedback): boolean {
    // What this ACK acknowledges is delivered already, though `onAcked` counts it later.
    const began = this.noteCongestion(this.rate.delivered + feedback.ackedBytes, feedback.nowMicros)
    const { items, length } = feedback.lost
    for (let i = 0; i < length; i++) {
      const packet = items[i]
      if (!packet.inFlight || packet.isMtuProbe) continue
      this.rate.onLost(packet)
      this.losses.countLossRange(packet)
      if (this.cycle.isSample && this.losses.isInflightTooHighAt(packet)) {
        const inflight = this.losses.inflightAtLoss(packet)
        this.onInflightTooHigh(inflight, packet.isAppLimited, feedback.nowMicros)
      }
    }
    return began
  }

  /** §3.6: the draft leaves the response open; CE marks are treated like loss above the threshold. */
  onEcnCongestion(sentMicros: number, nowMicros: number): boolean {
    if (sentMicros <= this.recoveryStartMicros) return false
    const began = this.noteCongestion(this.rate.delivered, nowMicros)
    if (this.state === "startup") this.leaveStartup()
    else if (this.cycle.isSample) {
      this.onInflightTooHigh(this.rate.txInFlight, this.rate.isAppLimited, nowMicros)
    }
    return began
  }

  /** OnEnterRTO, with the minimum window of RFC 9002 §7.6.2. §5.6.4.4 */
  onPersistentCongestion(): void {
    this.saveWindow()
    this.losses.saveState()
    this.window = minimumWindow(this.pipe.maxDatagramSize)
  }

  /** HandleSpuriousLossDetection. §5.5.11.2 */
  onSpuriousCongestion(): void {
    this.restoreWindow()
    this.losses.restoreState()
    this.model.fullPipe.reset()
    if (this.undoState === "startup" && this.state !== "startup") {
      this.model.fullPipe.wasReached = false
      if (this.state !== "probeRtt") this.state = "startup"
    } else if (this.undoState === "up" && this.state !== "up" && this.state !== "probeRtt") {
      this.startRefill()
    }
    this.undoState = "none"
  }

  /** §5.4.2: BBR keeps its model while idle and paces by it; see `onPacketSent`. */
  onIdleRestart(): void {}

  onAppLimited(bytesInFlight: number): void {
    this.rate.markAppLimited(bytesInFlight)
  }

  setMaxDatagramSize(maxDatagramSize: number): void {
    this.window = windowForDatagramSize(this.window, this.pipe.maxDatagramSize, maxDatagramSize)
    this.pipe.maxDatagramSize = this.losses.datagramBytes = maxDatagramSize
  }

  // — Startup and Drain, §5.3.1, §5.3.2 ————————————————————————————————————————————————————————————————————————

  private checkStartupDone(): void {
    const { fullPipe } = this.model
    if (this.state !== "startup") return
    if (fullPipe.wasReached) this.enterDrain()
    else if (this.losses.isStartupLossHigh) this.leaveStartup()
  }

  /** §5.3.1.3 */
  private leaveStartup(): void {
    this.undoState = "startup"
    this.model.fullPipe.isFull = true
    this.model.fullPipe.wasReached = true
    this.losses.inflightLongTerm = Math.max(this.pipe.bdp(this.bandwidth, 1), this.losses.inflightLatest)
    this.enterDrain()
  }

  private enterDrain(): void {
    this.state = "drain"
    this.drainStartRound = this.model.roundCount
  }

  private checkDrainDone(bytesInFlight: number, nowMicros: number): void {
    if (this.state !== "drain") return
    const waited = this.model.roundCount > this.drainStartRound + drainRounds
    if (bytesInFlight <= this.inflight(this.bandwidth) || waited) this.startDown(nowMicros)
  }

  // — ProbeBW, §5.3.3 ——————————————————————————————————————————————————————————————————————————————————————————

  private get isProbing(): boolean {
    return this.state === "startup" || this.state === "refill" || this.state === "up"
  }

  private startDown(nowMicros: number): void {
    this.losses.resetCongestionSignals()
    this.cycle.startDown(nowMicros, this.rate.delivered)
    this.model.startRound()
    this.state = "down"
  }

  private startRefill(): void {
    this.losses.resetShortTerm()
    this.cycle.startRefill()
    this.model.startRound()
    this.state = "refill"
  }

  private startUp(): void {
    this.cycle.ackPhase = "probeStarting"
    this.cycle.isSample = true
    this.model.startRound()
    this.model.fullPipe.reset(this.rate.rate)
    this.state = "up"
    this.cycle.raiseSlope(this.window, this.pipe.maxDatagramSize)
  }

  /** UpdateProbeBWCyclePhase. §5.3.3.6 */
  private advanceCycle(feedback: CongestionFeedback): void {
    const { model, cycle } = this
    if (!model.fullPipe.wasReached || this.adaptLongTerm(feedback.isWindowLimited)) return
    switch (this.state) {
      case "down":
        if (this.isTimeToProbe(feedback.nowMicros)) this.startRefill()
        else if (this.isTimeToCruise(feedback.bytesInFlight)) this.state = "cruise"
        break
      case "cruise":
        if (this.isTimeToProbe(feedback.nowMicros)) this.startRefill()
        break
      case "refill":
        if (model.isRoundStart) this.startUp()
        break
      case "up":
        if (this.isTimeToGoDown(feedback)) {
          cycle.wasTooHigh = false
          this.startDown(feedback.nowMicros)
        }
    }
  }

  /** AdaptLongTermModel; returns whether it has changed the state. */
  private adaptLongTerm(isWindowLimited: boolean): boolean {
    const { model, cycle, rate, losses } = this
    if (cycle.ackPhase === "probeStarting" && model.isRoundStart) cycle.ackPhase = "probeFeedback"
    if (cycle.ackPhase === "probeStopping" && model.isRoundStart) {
      cycle.isSample = false
      cycle.ackPhase = "init"
      if (isInProbeBw(this.state)) {
        if (!rate.isAppLimited) model.advanceBandwidthFilter()
        // The precautionary probe caused no excessive loss: probe again without the precaution.
        if (cycle.wasPrecautionary && !cycle.wasTooHigh) {
          this.startRefill()
          return true
        }
      }
    }
    if (losses.isInflightTooHigh || losses.inflightLongTerm === Number.POSITIVE_INFINITY) return false
    if (rate.txInFlight > losses.inflightLongTerm) losses.inflightLongTerm = rate.txInFlight
    if (this.state === "up" && isWindowLimited && this.window >= losses.inflightLongTerm) {
      losses.inflightLongTerm += cycle.growth(rate.newlyAcked, this.pipe.maxDatagramSize)
      if (model.isRoundStart) cycle.raiseSlope(this.window, this.pipe.maxDatagramSize)
    }
    return false
  }

  /** HandleInflightTooHigh: reacts once per probe. */
  private onInflightTooHigh(inflight: number, isAppLimited: boolean, nowMicros: number): void {
    this.cycle.wasTooHigh = true
    this.cycle.isSample = false
    if (!isAppLimited) this.losses.limitLongTerm(inflight, this.targetInflight)
    if (this.state !== "up") return
    this.undoState = "up"
    this.startDown(nowMicros)
  }

  private isTimeToProbe(nowMicros: number): boolean {
    const { cycle } = this
    // §5.3.3.5.2: probes as often as Reno would lose a packet, so that Reno and CUBIC flows keep their share.
    const reno = Math.min(this.targetInflight / this.pipe.maxDatagramSize, renoRounds)
    return nowMicros > cycle.startMicros + cycle.waitMicros || cycle.roundsSinceProbe >= reno
  }

  private isTimeToCruise(bytesInFlight: number): boolean {
    const limit = this.losses.inflightWithHeadroom(this.pipe.maxDatagramSize, this.pipe.minimum)
    return bytesInFlight <= limit && bytesInFlight <= this.inflight(this.model.maxBandwidth)
  }

  private isTimeToGoDown(feedback: CongestionFeedback): boolean {
    const { cycle, losses, model } = this
    if (cycle.wasTooHigh && feedback.bytesInFlight >= losses.inflightLongTerm) {
      cycle.wasPrecautionary = true
      return true
    }
    if (feedback.isWindowLimited && this.window >= losses.inflightLongTerm) {
      model.fullPipe.reset(this.rate.rate)
      return false
    }
    return model.fullPipe.isFull
  }

  // — ProbeRTT and idle restart, §5.3.4, §5.4 ———————————————————————————————————————————————————————————————————

  private checkProbeRtt(bytesInFlight: number, nowMicros: number): void {
    const { model, probeRtt } = this
    if (this.state !== "probeRtt" && model.isProbeRttDue && !this.isIdleRestart) {
      this.saveWindow()
      this.state = "probeRtt"
      probeRtt.doneAtMicros = 0
      this.cycle.ackPhase = "probeStopping"
      model.startRound()
    }
    if (this.state === "probeRtt") {
      // Samples taken with so little in flight say nothing about the bandwidth.
      this.rate.markAppLimited(bytesInFlight)
      if (probeRtt.doneAtMicros === 0) {
        if (bytesInFlight <= probeRttWindow(this)) {
          probeRtt.doneAtMicros = nowMicros + probeRttMicros
          probeRtt.roundDone = false
          model.startRound()
        }
      } else {
        if (model.isRoundStart) probeRtt.roundDone = true
        if (probeRtt.roundDone) this.checkProbeRttDone(nowMicros)
      }
    }
    if (this.rate.sampleDelivered > 0) this.isIdleRestart = false
  }

  private checkProbeRttDone(nowMicros: number): void {
    const { doneAtMicros } = this.probeRtt
    if (doneAtMicros === 0 || nowMicros <= doneAtMicros) return
    this.model.scheduleProbeRtt(nowMicros)
    this.restoreWindow()
    this.losses.resetShortTerm()
    if (this.model.fullPipe.wasReached) {
      this.startDown(nowMicros)
      this.state = "cruise"
    } else {
      this.state = "startup"
    }
  }

  private restartFromIdle(nowMicros: number): void {
    this.isIdleRestart = true
    this.model.restartAggregation(nowMicros)
    if (isInProbeBw(this.state)) this.setPacing(1)
    else if (this.state === "probeRtt") this.checkProbeRttDone(nowMicros)
  }

  // — control parameters, §5.6 —————————————————————————————————————————————————————————————————————————————————

  private setPacing(gain: number): void {
    const rate = gain * this.bandwidth * pacingMargin
    // at rate zero nothing would be sent, and no sample would ever raise it
    if (rate > 0 && (this.model.fullPipe.wasReached || rate > this.pacing)) this.pacing = rate
  }

  private get targetInflight(): number {
    return Math.min(this.pipe.bdp(this.bandwidth, 1), this.window)
  }

  /** What `bandwidth` needs in flight, with room for bursts. */
  private inflight(bandwidth: number): number {
    const { pipe } = this
    const bdp = pipe.bdp(bandwidth, 1)
    return pipe.isKnown ? pipe.withBudget(bdp, this.pacing, this.state === "up") : bdp
  }

  private noteCongestion(delivered: number, nowMicros: number): boolean {
    const first = this.losses.noteLoss(delivered)
    if (first) {
      this.saveWindow()
      this.undoState = "none"
    }
    if (this.recoveryStartMicros < 0) this.recoveryStartMicros = nowMicros
    return first
  }

  private saveWindow(): void {
    const undisturbed = this.recoveryStartMicros < 0 && this.state !== "probeRtt"
    this.priorWindow = undisturbed ? this.window : Math.max(this.priorWindow, this.window)
  }

  private restoreWindow(): void {
    this.window = Math.max(this.window, this.priorWindow)
  }
}
