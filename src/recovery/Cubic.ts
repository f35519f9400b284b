import {
  type CongestionController,
  initialWindow,
  minimumWindow,
  restartWindow,
  windowForDatagramSize,
  windowPacingRate
} from "./CongestionController.ts"
import type { CongestionFeedback } from "./CongestionFeedback.ts"
import { HyStart } from "./HyStart.ts"
import type { RttEstimator } from "./RttEstimator.ts"

/** RFC 9438 §4.6 */
const beta = 0.7
/** RFC 9438 §5.1, datagrams per second³ */
const c = 0.4
/** RFC 9438 §4.3 */
const alpha = (3 * (1 - beta)) / (1 + beta)

/** One congestion-avoidance epoch: the cubic through the window of the last congestion event. RFC 9438 §4.2 */
class Epoch {
  /** Negative when the next ACK in congestion avoidance starts a new epoch. */
  startMicros = -1
  /** Seconds until the cubic function returns to `wMax`. */
  k = 0
  /** W_max, bytes. 0 before the first congestion event. */
  wMax = 0
  /** cwnd_prior, bytes. */
  priorWindow = 0
  /** W_est, bytes: the window Reno would have. */
  renoWindow = 0

  copy(from: Epoch): void {
    this.startMicros = from.startMicros
    this.k = from.k
    this.wMax = from.wMax
    this.priorWindow = from.priorWindow
    this.renoWindow = from.renoWindow
  }
}

/** What a congestion event changes. */
class Undo {
  window = 0
  slowStartThreshold = 0
  readonly epoch = new Epoch()
}

/** CUBIC (RFC 9438), with HyStart++ (RFC 9406) in its first slow start. Windows in bytes. */
export class Cubic implements CongestionController {
  window: number
  slowStartThreshold: number = Number.POSITIVE_INFINITY
  private maxDatagramSize: number
  private readonly hyStart = new HyStart()
  private readonly epoch = new Epoch()
  private recoveryStartMicros = -1
  private lastAckedMicros = 0
  /** The state before the latest congestion event, restored if that was spurious. RFC 9438 §4.9 */
  private undo: Undo | undefined = undefined

  constructor(maxDatagramSize: number) {
    this.maxDatagramSize = maxDatagramSize
    this.window = initialWindow(maxDatagramSize)
  }

  pacingRate(rtt: RttEstimator): number {
    // Conservative Slow Start grows by a quarter per round trip, which the congestion-avoidance gain allows for.
    const doubling = this.window < this.slowStartThreshold && this.hyStart.growthDivisor === 1
    return windowPacingRate(this.window, doubling, rtt)
  }

  onPacketSent(): void {}

  onAcked(feedback: CongestionFeedback, rtt: RttEstimator): void {
    const { nowMicros, acked } = feedback
    let bytes = 0
    for (let i = 0; i < acked.length; i++) {
      const packet = acked.items[i]
      if (packet.inFlight && packet.timeSentMicros > this.recoveryStartMicros) bytes += packet.size
    }
    const sinceLastMicros = nowMicros - this.lastAckedMicros
    this.lastAckedMicros = nowMicros
    if (this.slowStartThreshold === Number.POSITIVE_INFINITY && this.hyStart.onAcked(feedback, rtt)) {
      this.slowStartThreshold = this.window
    }
    if (!feedback.isWindowLimited) {
      // RFC 9002 §7.8 #S1: an underused window does not grow.
      // RFC 9438 §4.2: excludes application-limited time, or the cubic function would run ahead of the path.
      if (this.epoch.startMicros >= 0) this.epoch.startMicros += sinceLastMicros
      return
    }
    if (bytes === 0) return
    if (this.window < this.slowStartThreshold) {
      // RFC 9406 §4.3: HyStart++ applies to the first slow start only.
      const first = this.slowStartThreshold === Number.POSITIVE_INFINITY
      this.window = Math.min(
        this.window + bytes / (first ? this.hyStart.growthDivisor : 1),
        this.slowStartThreshold
      )
    } else {
      this.avoidCongestion(bytes, rtt, nowMicros)
    }
  }

  onLost(feedback: CongestionFeedback): boolean {
    return this.onEcnCongestion(feedback.latestLostSentMicros, feedback.nowMicros)
  }

  onEcnCongestion(sentMicros: number, nowMicros: number): boolean {
    // RFC 9002 §7.3.1, §7.3.2 #1 #2: once per round trip; RFC 9438 defines by how much.
    if (sentMicros <= this.recoveryStartMicros) return false
    const { epoch, window } = this
    const undo = (this.undo ??= new Undo())
    undo.window = window
    undo.slowStartThreshold = this.slowStartThreshold
    undo.epoch.copy(epoch)
    this.recoveryStartMicros = nowMicros
    // RFC 9438 §4.7: fast convergence releases bandwidth to new flows when the window had not grown back.
    epoch.wMax = window < epoch.wMax ? (window * (1 + beta)) / 2 : window
    epoch.priorWindow = window
    epoch.startMicros = -1
    this.slowStartThreshold = Math.max(window * beta, minimumWindow(this.maxDatagramSize))
    this.window = this.slowStartThreshold
    return true
  }

  onPersistentCongestion(): void {
    // RFC 9002 §7.6.2 #2: the window MUST be reduced to the minimum window.
    this.window = minimumWindow(this.maxDatagramSize)
    this.recoveryStartMicros = -1
    // RFC 9438 §4.8: the next congestion avoidance starts where slow start ends.
    this.epoch.startMicros = -1
    this.epoch.wMax = 0
  }

  onSpuriousCongestion(): void {
    const { undo } = this
    if (undo === undefined || this.window >= undo.window) return
    this.window = undo.window
    this.slowStartThreshold = undo.slowStartThreshold
    this.epoch.copy(undo.epoch)
  }

  onIdleRestart(): void {
    const window = restartWindow(this.window, this.maxDatagramSize)
    if (window === this.window) return
    if (this.slowStartThreshold !== Number.POSITIVE_INFINITY) {
      this.slowStartThreshold = Math.max(this.slowStartThreshold, 0.75 * this.window)
    }
    this.window = window
    this.epoch.startMicros = -1
  }

  onAppLimited(): void {}

  setMaxDatagramSize(maxDatagramSize: number): void {
    this.window = windowForDatagramSize(this.window, this.maxDatagramSize, maxDatagramSize)
    this.maxDatagramSize = maxDatagramSize
  }

  private avoidCongestion(bytes: number, rtt: RttEstimator, nowMicros: number): void {
    const { epoch, maxDatagramSize } = this
    if (epoch.startMicros < 0) this.beginEpoch(nowMicros)
    const seconds = (nowMicros - epoch.startMicros) / 1e6
    // RFC 9438 §4.3: the Reno-friendly estimate, with Reno's own slope once the prior window is regained.
    const slope = epoch.renoWindow >= epoch.priorWindow ? 1 : alpha
    epoch.renoWindow += (slope * maxDatagramSize * bytes) / this.window
    if (this.cubicWindow(seconds) < epoch.renoWindow) {
      this.window = Math.max(this.window, epoch.renoWindow)
      return
    }
    // RFC 9438 §4.2: targets the value of the cubic function one RTT from now, capped at 1.5 windows.
    const ahead = this.cubicWindow(seconds + rtt.smoothedMicros / 1e6)
    const target = Math.max(this.window, Math.min(ahead, 1.5 * this.window))
    this.window += ((target - this.window) * bytes) / this.window
  }

  /** RFC 9438 §4.2, §4.8, §4.10: after a slow start not ended by congestion, the cubic starts at its plateau. */
  private beginEpoch(nowMicros: number): void {
    const { epoch } = this
    epoch.startMicros = nowMicros
    epoch.renoWindow = this.window
    if (epoch.wMax <= this.window) {
      epoch.wMax = this.window
      epoch.k = 0
    } else {
      epoch.k = Math.cbrt((epoch.wMax - this.window) / this.maxDatagramSize / c)
    }
  }

  private cubicWindow(seconds: number): number {
    return c * (seconds - this.epoch.k) ** 3 * this.maxDatagramSize + this.epoch.wMax
  }
}
