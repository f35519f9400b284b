/**
 * What is measured on a path.
 *
 * @since 0.1.0
 */
import type { ConnectionPath } from "./connection/ConnectionPath.ts"

/**
 * What is measured on a path. Sizes are in bytes, durations in milliseconds, counts since its start.
 *
 * @category models
 * @since 0.1.0
 */
export interface PathMeasurements {
  /** Smoothed round-trip time. RFC 9002 §5.3 */
  readonly smoothedRttMillis: number
  /** Smallest round-trip time measured; until there is a measurement, `smoothedRttMillis`. RFC 9002 §5.2 */
  readonly minRttMillis: number
  /** Congestion window. RFC 9002 §7 */
  readonly congestionWindowBytes: number
  /** Bytes sent and neither acknowledged nor lost. */
  readonly bytesInFlight: number
  /** Size of UDP payloads, as far as path MTU discovery has found. RFC 9000 §14.3 */
  readonly datagramBytes: number
  /** Bytes of UDP payload sent. */
  readonly bytesSent: number
  /** Bytes of UDP payload received. */
  readonly bytesReceived: number
  /** Packets declared lost. RFC 9002 §6.1 */
  readonly packetsLost: number
  /** Bytes of these packets. */
  readonly bytesLost: number
}

export const pathMeasurements = ({ recovery, mtu, traffic }: ConnectionPath): PathMeasurements => ({
  smoothedRttMillis: recovery.rtt.smoothedMicros / 1000,
  minRttMillis: recovery.rtt.shownMinMicros / 1000,
  congestionWindowBytes: recovery.congestionWindow,
  bytesInFlight: recovery.bytesInFlight,
  datagramBytes: mtu.current,
  bytesSent: traffic.bytesSent,
  bytesReceived: traffic.bytesReceived,
  packetsLost: recovery.counters.packetsLost,
  bytesLost: recovery.counters.bytesLost
})
