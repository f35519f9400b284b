/**
 * Decides on which of its paths a connection sends data.
 *
 * @since 0.1.0
 */
import * as Layer from "effect/Layer"
import { type PathScheduler, PathScheduling, type SchedulerPath } from "./capability/PathScheduling.ts"
import * as schedulers from "./path/schedulers.ts"

export {
  type PathScheduler,
  PathScheduling,
  type SchedulerPath,
  type SendDemand
} from "./capability/PathScheduling.ts"

const layerOf = (make: () => PathScheduler): Layer.Layer<never> => Layer.succeed(PathScheduling, make)

/**
 * The path on which a datagram would arrive first; waits for the best one when all that is left arrives earlier by that.
 *
 * @category layers
 * @since 0.1.0
 */
export const layerEarliest: Layer.Layer<never> = layerOf(schedulers.earliest)

/**
 * The path with the lowest round-trip time that has room.
 *
 * @category layers
 * @since 0.1.0
 */
export const layerMinRtt: Layer.Layer<never> = layerOf(schedulers.minRtt)

/**
 * BLEST: leaves a slower path alone when its data would hold up the send window.
 *
 * @category layers
 * @since 0.1.0
 */
export const layerBlest: Layer.Layer<never> = layerOf(schedulers.blest)

/**
 * ECF: waits for the faster path when all that is left is delivered earlier by that.
 *
 * @category layers
 * @since 0.1.0
 */
export const layerEcf: Layer.Layer<never> = layerOf(schedulers.ecf)

/**
 * Every path in proportion to what its congestion window lets through: the most throughput, whatever the delay.
 *
 * @category layers
 * @since 0.1.0
 */
export const layerAggregate: Layer.Layer<never> = layerOf(() => schedulers.weighted())

/**
 * Every path in proportion to a weight of its own, a number above 0 that is asked for before each datagram.
 *
 * @category layers
 * @since 0.1.0
 */
export const layerWeighted = (weightOf: (path: SchedulerPath) => number): Layer.Layer<never> =>
  layerOf(() => schedulers.weighted(weightOf))

/**
 * Stream data on every path, for the lowest delay at the cost of all others. Datagrams are sent once.
 *
 * @category layers
 * @since 0.1.0
 */
export const layerRedundant: Layer.Layer<never> = layerOf(schedulers.redundant)
