/**
 * Decides on which of its paths a connection sends data.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"

/**
 * A path that carries data, as a scheduler sees it: its measurements now. Sizes are in bytes, times in microseconds.
 *
 * @category models
 * @since 0.1.0
 */
export interface SchedulerPath {
  /** 0 for the path of the handshake. */
  readonly id: number
  /** Smoothed round-trip time. RFC 9002 §5.3 */
  readonly smoothedRttMicros: number
  /** Its mean deviation. RFC 9002 §5.3 */
  readonly rttVariationMicros: number
  /** The last round-trip time measured; 0 before the first. */
  readonly latestRttMicros: number
  /** RFC 9002 §7 */
  readonly congestionWindow: number
  /** Infinity in slow start. RFC 9002 §7.3.1 */
  readonly slowStartThreshold: number
  /** Sent, and neither acknowledged nor lost. */
  readonly bytesInFlight: number
  /** Since the path was opened. */
  readonly bytesSent: number
  /** The size of its datagrams. */
  readonly datagramBytes: number
  /** Bytes a microsecond that the window lets through. */
  readonly rate: number
  /** What data on it costs, compared to other paths; 0 unless the application has said it. */
  readonly cost: number
  /** Congestion control allows another datagram now. */
  readonly hasRoom: boolean
}

/**
 * What there is to send.
 *
 * @category models
 * @since 0.1.0
 */
export interface SendDemand {
  /** Bytes of streams that flow control allows to be sent now, counted up to `most`. */
  unsentBytes(most: number): number
  /** Bytes that the peer's flow control still allows the connection. RFC 9000 §4.1 */
  readonly creditBytes: number
}

/**
 * A policy for one connection: it may keep state.
 *
 * **Details**
 *
 * It is asked before each datagram while several paths carry data, which excludes backups and silent paths unless there is
 * nothing else; a path's own frames, such as acknowledgements and probes, are not up to it, nor is data with a
 * `PathPreference`. It must not throw.
 *
 * @category models
 * @since 0.1.0
 */
export interface PathScheduler {
  /** Data sent on one path is sent on every other too. Default false. */
  readonly isRedundant?: boolean
  /**
   * The paths that may carry the next datagram, best first: the first with room takes it. Data waits while none of those
   * returned has room, so one that is left out is waited for: return at least one path with room or bytes in flight.
   */
  choose(paths: ReadonlyArray<SchedulerPath>, demand: SendDemand): ReadonlyArray<SchedulerPath>
  /** A path begins to carry data. */
  onAdded?(path: SchedulerPath): void
  /** A path carries no more data. */
  onRemoved?(path: SchedulerPath): void
}

/**
 * Makes the scheduler of each connection of an endpoint, and is asked for nothing while a connection has one path.
 * Default undefined: as `layerEarliest`.
 *
 * **Details**
 *
 * It decides about this side's data only; the peer has a scheduler of its own. draft-ietf-quic-multipath §5.5
 *
 * **Example** (The cheaper network first)
 *
 * ```ts
 * import { Layer } from "effect"
 * import { PathScheduling } from "effect-quic"
 *
 * // path 0 as long as it has room
 * const firstPathFirst = Layer.succeed(PathScheduling.PathScheduling, () => ({
 *   choose: (paths) => paths.toSorted((a, b) => a.id - b.id)
 * }))
 * ```
 *
 * @category references
 * @since 0.1.0
 */
export const PathScheduling: Context.Reference<(() => PathScheduler) | undefined> = Context.Reference(
  "effect-quic/capability/PathScheduling",
  { defaultValue: (): (() => PathScheduler) | undefined => undefined }
)
