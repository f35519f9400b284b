/** A running relay, whatever carries its frames. */
import type * as Duration from "effect/Duration"
import type * as Effect from "effect/Effect"
import type { QuicEndpointShape } from "./QuicEndpoint.ts"
import type { QuicError } from "./QuicError.ts"
import type { RelayStatistics } from "./relay/RelayStatistics.ts"
import type { SocketAddress } from "./wire/SocketAddress.ts"

/**
 * What clients are told when a relay stops.
 *
 * @category options
 * @since 0.1.0
 */
export interface RelayDrainOptions {
  /** When they should come back. 0 to 1 day, default 1 second. */
  readonly reconnectIn?: Duration.Input
  /** How long they should try to. 0 to 1 day, default 1 minute. */
  readonly tryFor?: Duration.Input
  /** How long they have to leave before they are cut off. 0 to 1 day, default 5 seconds. */
  readonly deadline?: Duration.Input
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
   * passed; returns how many were cut off. Fails with `InvalidOption`. **Interruption**: those that are left stay connected until the scope closes.
   */
  drain(options?: RelayDrainOptions): Effect.Effect<RelayDrained, QuicError>
}
