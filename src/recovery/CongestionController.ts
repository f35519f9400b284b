import type { RttEstimator } from "./RttEstimator.ts"
import type { CongestionFeedback } from "./CongestionFeedback.ts"
import type { SentPacket } from "./SentPacket.ts"

/**
 * A sender's congestion control on one path. RFC 9002 §7. Window and rates are in bytes and bytes per microsecond.
 * It never counts bytes in flight itself; {@link PathRecovery} does.
 */
export interface CongestionController {
  readonly algorithm: string
  readonly window: number
  /** Infinity until slow start has ended once. */
  readonly slowStartThreshold: number
  /** Bytes per microsecond that the pacer should release. */
  pacingRate(rtt: RttEstimator): number
  /** `bytesInFlight` is before this packet. */
  onPacketSent(packet: SentPacket, bytesInFlight: number, nowMicros: number): void
  /** Called when `feedback.acked` holds something, after `onLost` of the same ACK. */
  onAcked(feedback: CongestionFeedback, rtt: RttEstimator): void
  /** Called when `feedback.lostBytes` is not 0. Returns whether a new congestion event began. */
  onLost(feedback: CongestionFeedback, rtt: RttEstimator): boolean
  /** The peer reported more CE marks; the newest packet it had then left at `sentMicros`. RFC 9002 §7.1 */
  onEcnCongestion(sentMicros: number, nowMicros: number): boolean
  /** RFC 9002 §7.6 */
  onPersistentCongestion(): void
  /** Every loss of the latest congestion event arrived after all. RFC 9438 §4.9 */
  onSpuriousCongestion(): void
  /** Sending resumes after more than a PTO with nothing in flight. RFC 9002 §7.8 */
  onIdleRestart(nowMicros: number): void
  /** The application has nothing to send although window and pacer would allow it. */
  onAppLimited(bytesInFlight: number): void
  setMaxDatagramSize(maxDatagramSize: number): void
}

export type CongestionControllerFactory = (maxDatagramSize: number) => CongestionController

/** RFC 9002 §7.2 #S1 */
export const initialWindow = (maxDatagramSize: number): number =>
  Math.min(10 * maxDatagramSize, Math.max(14_720, 2 * maxDatagramSize))

/** RFC 9002 §7.2 #S4 */
export const minimumWindow = (maxDatagramSize: number): number => 2 * maxDatagramSize

/**
 * The rate at which a window-based controller is paced: a little more than a window each round trip, so that the
 * window and not the pacer limits (RFC 9002 §7.7), and twice in slow start, where the window doubles each round trip.
 */
export const windowPacingRate = (window: number, slowStart: boolean, rtt: RttEstimator): number =>
  ((slowStart ? 2 : 1.25) * window) / Math.max(rtt.smoothedMicros, 1)

/** RFC 9002 §7.2 #S2: an untouched initial window is computed anew; a window is never less than the minimum. */
export const windowForDatagramSize = (window: number, before: number, after: number): number =>
  window === initialWindow(before) ? initialWindow(after) : Math.max(window, minimumWindow(after))

/**
 * After idling longer than a PTO the old window says little about the path. RFC 9002 §7.8 leaves the choice; this is
 * the cautious one of RFC 5681 §4.1, from which controllers go back by slow start to three quarters of the old window
 * (RFC 7661 §4.4.2).
 */
export const restartWindow = (window: number, maxDatagramSize: number): number =>
  Math.min(window, initialWindow(maxDatagramSize))
