import type { RttEstimator } from "./RttEstimator.ts"
import type { CongestionFeedback } from "./CongestionFeedback.ts"
import type { SentPacket } from "./SentPacket.ts"

/**
 * Congestion control of one path. RFC 9002 §7. Windows are in bytes, rates in bytes per microsecond.
 * {@link PathRecovery} counts the bytes in flight.
 */
export interface CongestionController {
  readonly window: number
  /** Infinity until slow start has ended once. */
  readonly slowStartThreshold: number
  /** The rate at which the pacer should release packets, in bytes per microsecond. */
  pacingRate(rtt: RttEstimator): number
  /** `bytesInFlight` does not include this packet. */
  onPacketSent(packet: SentPacket, bytesInFlight: number, nowMicros: number): void
  /** Called when `feedback.acked` is not empty, after `onLost` for the same ACK. */
  onAcked(feedback: CongestionFeedback, rtt: RttEstimator): void
  /** Called when `feedback.lostBytes` is not 0. Returns whether this starts a new congestion event. */
  onLost(feedback: CongestionFeedback, rtt: RttEstimator): boolean
  /** The peer reported new CE marks; the newest packet it acknowledged was sent at `sentMicros`. RFC 9002 §7.1 */
  onEcnCongestion(sentMicros: number, nowMicros: number): boolean
  /** RFC 9002 §7.6 */
  onPersistentCongestion(): void
  /** Every packet declared lost in the latest congestion event was acknowledged later. RFC 9438 §4.9 */
  onSpuriousCongestion(): void
  /** Sending resumes after nothing was in flight for more than a PTO. RFC 9002 §7.8 */
  onIdleRestart(nowMicros: number): void
  /** Window and pacer allow sending, but the application has nothing to send. */
  onAppLimited(bytesInFlight: number): void
  setMaxDatagramSize(maxDatagramSize: number): void
}

/** What `coupledGrowth` says of all paths of a connection. RFC 6356 */
export interface CoupledGrowth {
  readonly coupledGrowth: number
}

export type CongestionControllerFactory = (
  maxDatagramSize: number,
  coupled: CoupledGrowth
) => CongestionController

/** Of a path that grows as if it were alone. */
export const uncoupled: CoupledGrowth = { coupledGrowth: Number.POSITIVE_INFINITY }

/** RFC 9002 §7.2 #S1 */
export const initialWindow = (maxDatagramSize: number): number =>
  Math.min(10 * maxDatagramSize, Math.max(14_720, 2 * maxDatagramSize))

/** RFC 9002 §7.2 #S4 */
export const minimumWindow = (maxDatagramSize: number): number => 2 * maxDatagramSize

/**
 * Pacing rate of a window-based controller: slightly more than a window per round trip, so that the window and not
 * the pacer is the limit (RFC 9002 §7.7), and twice that in slow start, where the window doubles each round trip.
 */
export const windowPacingRate = (window: number, slowStart: boolean, rtt: RttEstimator): number =>
  ((slowStart ? 2 : 1.25) * window) / Math.max(rtt.smoothedMicros, 1)

/** RFC 9002 §7.2 #S2: recalculates an unchanged initial window; never returns less than the minimum window. */
export const windowForDatagramSize = (window: number, before: number, after: number): number =>
  window === initialWindow(before) ? initialWindow(after) : Math.max(window, minimumWindow(after))

/**
 * After more than a PTO idle the old window says little about the path. RFC 9002 §7.8 leaves the choice open; this is
 * the conservative one of RFC 5681 §4.1, from which controllers slow-start back to three quarters of the old window
 * (RFC 7661 §4.4.2).
 */
export const restartWindow = (window: number, maxDatagramSize: number): number =>
  Math.min(window, initialWindow(maxDatagramSize))
