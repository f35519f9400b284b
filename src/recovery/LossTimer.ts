import type { Role } from "../wire/Role.ts"
import { Space } from "../wire/PacketType.ts"
import type { RttEstimator } from "./RttEstimator.ts"
import type { SentPackets } from "./SentPackets.ts"

/**
 * Upper limit of the backed-off PTO. Without an idle timeout a connection survives an outage of any length, and the time
 * to notice its end must not depend on how long it lasted.
 */
export const LONGEST_BACKOFF_MICROS = 60_000_000

/** The result of `onTimeout`; reused. */
export interface LossTimeout {
  /** `loss`: `lost` holds packets. `probe`: send `probes` ack-eliciting packets in `space`, ignoring `sendQuota`. */
  kind: "none" | "loss" | "probe"
  space: Space
  probes: number
}

/**
 * The loss-detection timer of a path: when it fires, and for which space. RFC 9002 §6.2, A.8.
 * A `deadlineMicros` in the past fires at once.
 */
export class LossTimer {
  ptoCount = 0
  /** `LONGEST_BACKOFF_MICROS` or less. */
  longestBackoffMicros = LONGEST_BACKOFF_MICROS
  maxAckDelayMicros = 0
  handshakeConfirmed = false
  hasHandshakeKeys = false
  /** RFC 9002 A.8: always true for a server; for a client, once a Handshake packet was acknowledged. */
  peerValidatedAddress: boolean
  /** No PTO is armed while the server may send nothing. RFC 9002 §6.2.2.1 */
  isAmplificationLimited = false
  /** Start of the client's PTO while nothing is in flight; Infinity before its first packet. */
  restartedMicros: number = Number.POSITIVE_INFINITY
  /** When packets were acknowledged last. */
  progressMicros = Number.NEGATIVE_INFINITY
  private readonly spaces: ReadonlyArray<SentPackets>
  private readonly rtt: RttEstimator

  constructor(spaces: ReadonlyArray<SentPackets>, rtt: RttEstimator, role: Role) {
    this.spaces = spaces
    this.rtt = rtt
    this.peerValidatedAddress = role === "server"
  }

  /** The space with the earliest time-threshold loss, or undefined. */
  get lossSpace(): SentPackets | undefined {
    let earliest: SentPackets | undefined
    for (const sent of this.spaces) {
      if (sent.lossTimeMicros < (earliest?.lossTimeMicros ?? Number.POSITIVE_INFINITY)) earliest = sent
    }
    return earliest
  }

  get deadlineMicros(): number {
    // RFC 9002 §6.2.1 #5: the PTO timer MUST NOT be set if a timer is set for time threshold loss detection.
    const loss = this.lossSpace
    if (loss !== undefined) return loss.lossTimeMicros
    // RFC 9002 §6.2.2.1 #1: the server's PTO timer MUST NOT be armed if no additional data can be sent.
    if (this.isAmplificationLimited) return Number.POSITIVE_INFINITY
    if (this.ackElicitingInFlight > 0) {
      // RFC 9002 §6.2.1 #2
      let earliest = Number.POSITIVE_INFINITY
      for (const sent of this.spaces) earliest = Math.min(earliest, this.ptoOf(sent))
      return earliest
    }
    // RFC 9002 §6.2.2.1 #2, RFC 9000 §8.1 #4 #5: the client MUST set it until the server has validated its address.
    return this.peerValidatedAddress
      ? Number.POSITIVE_INFINITY
      : this.restartedMicros + this.backOff(this.rtt.ptoBaseMicros)
  }

  /** When the last 1-RTT packet that asks for an ACK was sent. */
  get lastElicitingMicros(): number {
    return this.spaces[Space.Application].lastAckElicitingSentMicros
  }

  /** Since when nothing is heard of the 1-RTT packets in flight; infinite while none asks for an ACK. */
  get unansweredMicros(): number {
    const { outstanding, ackElicitingInFlight } = this.spaces[Space.Application]
    if (ackElicitingInFlight === 0 || outstanding.first === undefined) return Number.POSITIVE_INFINITY
    return Math.max(outstanding.first.timeSentMicros, this.progressMicros)
  }

  /** Ends the backoff. */
  restart(nowMicros: number): void {
    this.ptoCount = 0
    this.restartedMicros = nowMicros
  }

  /** A PTO expired: says what to send, and waits twice as long for an answer. */
  startProbe(timeout: LossTimeout, nowMicros: number): void {
    timeout.kind = "probe"
    timeout.space = this.probeSpace
    // RFC 9002 §6.2.4 #1: one or two; two so that losing a single probe does not cost another PTO.
    timeout.probes = this.ackElicitingInFlight > 0 ? 2 : 1
    // RFC 9002 §6.2.1 #4: the backoff MUST be increased when a PTO timer expires.
    this.ptoCount++
    this.restartedMicros = nowMicros
  }

  private get probeSpace(): Space {
    // RFC 9002 §6.2.2.1 #3
    if (this.ackElicitingInFlight === 0) return this.hasHandshakeKeys ? Space.Handshake : Space.Initial
    let space: Space = Space.Initial
    let earliest = Number.POSITIVE_INFINITY
    for (const sent of this.spaces) {
      const at = this.ptoOf(sent)
      if (at < earliest) {
        earliest = at
        space = sent.space
      }
    }
    return space
  }

  /**
   * Counts only the spaces that may arm a PTO. Otherwise a client with nothing but 0-RTT packets in flight would arm
   * none and wait forever, as the server cannot acknowledge those before the handshake.
   */
  private get ackElicitingInFlight(): number {
    let count = 0
    for (const sent of this.spaces) if (this.mayProbe(sent)) count += sent.ackElicitingInFlight
    return count
  }

  // RFC 9002 §6.2.1 #3: MUST NOT set a PTO timer for Application Data until the handshake is confirmed.
  private mayProbe(sent: SentPackets): boolean {
    return sent.space !== Space.Application || this.handshakeConfirmed
  }

  /** RFC 9002 §6.2.1 #S1: restarted by each ack-eliciting packet; Infinity when none is in flight. */
  private ptoOf(sent: SentPackets): number {
    if (sent.ackElicitingInFlight === 0 || !this.mayProbe(sent)) return Number.POSITIVE_INFINITY
    let duration = this.rtt.ptoBaseMicros
    // RFC 9002 §6.2.1: max_ack_delay is included only where the peer may delay ACKs.
    if (sent.space === Space.Application) duration += this.maxAckDelayMicros
    return sent.lastAckElicitingSentMicros + this.backOff(duration)
  }

  /** RFC 9002 §6.2.1 #4: doubles with each expiry. */
  private backOff(micros: number): number {
    return Math.min(micros * 2 ** this.ptoCount, Math.max(micros, this.longestBackoffMicros))
  }
}
