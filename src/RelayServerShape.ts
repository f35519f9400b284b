/** A running relay, whatever carries its frames. */
import type * as Effect from "effect/Effect"
import type { QuicEndpointShape } from "./QuicEndpoint.ts"
import type { RelayStatistics } from "./relay/RelayStatistics.ts"
import type { SocketAddress } from "./wire/SocketAddress.ts"

/**
 * What clients are told when a relay stops.
 *
 * @category options
 * @since 0.1.0
 */
export interface RelayDrainOptions {
  /** When they should come back, in milliseconds. Default 1,000. */
  readonly reconnectInMillis?: number
  /** How long they should try to, in milliseconds. Default 60,000. */
  readonly tryForMillis?: number
  /** How long they have to leave before they are cut off, in milliseconds. Default 5,000. */
  readonly deadlineMillis?: number
}

/**
 * What became of the clients of a relay that was drained.
 *
 * @category models
 * @since 0.1.0
 */
export interface RelayDrained {
  /** Clients that went in time. */
  readonly left: number
  /** Clients that were cut off at the deadline. */
  readonly cutOff: number
}

/**
 * A running relay.
 *
 * @category models
 * @since 0.1.0
 */
export interface RelayServerShape {
  /** What clients are given to reach it. */
  readonly url: string
  /** Where it listens. */
  readonly address: SocketAddress
  /** The endpoint that answers address discovery; undefined if there is none. */
  readonly discovery: QuicEndpointShape | undefined
  /** Read from its own counters when it is asked for. */
  readonly statistics: Effect.Effect<RelayStatistics>
  /**
   * Tells all clients that the relay restarts, lets no others in, and waits until they have left or the deadline has
   * passed; returns how many were cut off. **Interruption**: those that are left stay connected until the scope closes.
   */
  drain(options?: RelayDrainOptions): Effect.Effect<RelayDrained>
}
