import { PhiAccrual } from "./PhiAccrual.ts"

/** How a peer is watched. Durations in milliseconds. */
export interface LivenessSettings {
  /** Longest silence that is left alone. */
  readonly heartbeatMillis: number
  readonly acceptablePauseMillis: number
  readonly minDeviationMillis: number
  readonly samples: number
  /** Phi above which the peer is suspected. */
  readonly suspectAt: number
}

/** Looks per heartbeat. */
const LOOKS = 5

/**
 * Watches for how long a peer is silent, by looking now and then.
 *
 * Only time in which this process could have heard the peer counts: a look that comes late counts as if it had been on
 * time. Of the traffic one arrival per heartbeat is a sample, so that a busy hour does not make a quiet minute suspicious.
 */
export class LivenessMonitor {
  /** When to look next. */
  readonly lookMillis: number
  silenceMillis = 0
  phi = 0
  private readonly settings: LivenessSettings
  private readonly detector: PhiAccrual
  /** Since the last arrival that was a sample, and since the last heartbeat was asked for. */
  private sinceSample = 0
  private sinceRequest = 0
  private lookedAt: number
  private receivedAt: number

  /** `receivedAt`: of the last packet before. */
  constructor(settings: LivenessSettings, now: number, receivedAt: number) {
    const { heartbeatMillis: firstEstimateMillis, ...others } = settings
    this.settings = settings
    this.detector = new PhiAccrual({ firstEstimateMillis, ...others })
    this.lookMillis = firstEstimateMillis / LOOKS
    this.lookedAt = now
    this.receivedAt = receivedAt
  }

  get isSuspected(): boolean {
    return this.phi >= this.settings.suspectAt
  }

  /**
   * Looks again, at `now`: the last packet was received at `receivedAt`, and a lost one is asked for after `ptoMillis`.
   * Returns whether the peer should be asked for a sign of life.
   */
  look(now: number, receivedAt: number, ptoMillis: number): boolean {
    const passed = Math.min(Math.max(0, now - this.lookedAt), this.lookMillis)
    this.lookedAt = now
    this.silenceMillis += passed
    this.sinceSample += passed
    this.sinceRequest += passed
    if (receivedAt !== this.receivedAt) this.onHeard(Math.min(Math.max(0, now - receivedAt), passed))
    this.receivedAt = receivedAt
    // RFC 9000 §10.1: what is lost takes three PTOs to arrive after all
    const pauseMillis = Math.max(this.settings.acceptablePauseMillis, 3 * ptoMillis)
    this.phi = this.detector.phi(this.silenceMillis, pauseMillis)
    const { heartbeatMillis } = this.settings
    const isDue = this.silenceMillis >= heartbeatMillis && this.sinceRequest >= heartbeatMillis
    if (isDue) this.sinceRequest = 0
    return isDue
  }

  private onHeard(agoMillis: number): void {
    const interval = this.sinceSample - agoMillis
    if (interval >= this.settings.heartbeatMillis) {
      // as in Akka: what was taken for death is no sample of life
      if (!this.isSuspected) this.detector.add(interval)
      this.sinceSample = agoMillis
    }
    this.silenceMillis = agoMillis
  }
}
