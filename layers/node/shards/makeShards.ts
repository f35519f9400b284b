/** The main thread of a sharded endpoint: starts the shards, replaces those that die, and speaks for all of them. */
import * as Deferred from "effect/Deferred"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import { availableParallelism } from "node:os"
import { addressAttributes, registerSeries, removeAll } from "../../../src/actor/metricRegistry.ts"
import { endpointSeries } from "../../../src/actor/metricSeries.ts"
import type { EndpointStatistics } from "../../../src/capability/EndpointStatistics.ts"
import { Inspector } from "../../../src/capability/Inspector.ts"
import type { EndpointNode } from "../../../src/capability/treeNodes.ts"
import { beginDrain, type DrainOptions, type DrainResult } from "../../../src/EndpointDrain.ts"
import type { QuicError } from "../../../src/QuicError.ts"
import { Published } from "../../../src/QuicMetrics.ts"
import { check } from "../../../src/QuicOptions.ts"
import type { SocketAddress } from "../../../src/wire/SocketAddress.ts"
import { Shards } from "./Shards.ts"

/** Between two looks at a shard that has no tree yet. */
const LOOK_AGAIN_MILLIS = 50

const Options = Schema.Struct({
  count: Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 128 })).pipe(
    Schema.withDecodingDefaultKey(Effect.sync(() => Math.min(128, availableParallelism())))
  ),
  data: Schema.optionalKey(Schema.Unknown)
})

/**
 * How a sharded endpoint is run.
 *
 * @category options
 * @since 0.1.0
 */
export interface ShardOptions {
  /** Threads. 1 to 128, default as many as there are cores. */
  readonly count?: number
  /** Given to every shard, as `ShardedEndpoint.data`: anything that can be cloned. Default undefined. */
  readonly data?: unknown
}

/**
 * A server in several threads.
 *
 * @category models
 * @since 0.1.0
 */
export interface ShardedEndpointShape {
  /** Number of shards. */
  readonly count: number
  /** The address of the first shard's first endpoint, which the others share. */
  readonly address: SocketAddress
  /**
   * What all of them have counted, added up. What a shard that has died counted in its last second may be missing.
   *
   * Never fails: shards that do not answer count with what was known of them last.
   */
  readonly statistics: Effect.Effect<EndpointStatistics>
  /** What lives on each endpoint now, in the order of the shards. */
  readonly trees: Effect.Effect<ReadonlyArray<EndpointNode>>
  /** Shards that have died and were replaced. */
  readonly restarts: Effect.Effect<number>
  /** Drains every shard: see `QuicEndpoint.drain`. Returns the sum. */
  readonly drain: (deadline?: Duration.Input, options?: DrainOptions) => Effect.Effect<DrainResult, QuicError>
  /** Waits until every program has ended by itself, as after `drain`. */
  readonly ended: Effect.Effect<void>
}

/**
 * Runs `module` in `count` threads, which end with the scope. It calls `ShardedEndpoint.run` with the server's program.
 *
 * Succeeds once every shard has bound an endpoint. They start one after another; a shard that dies later is replaced, at
 * once the first time, and its connections are reset by the one that takes its place. Metrics (`QuicMetrics.layer`) and
 * trees (`NodeInspector.layer`) of the main thread show all shards.
 *
 * Fails with `InvalidOption`, and with `ShardFailed` if a program ends before it has bound an endpoint.
 *
 * **Interruption**: ends the threads.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = Effect.fnUntraced(function* (
  module: URL,
  options: ShardOptions = {}
): Effect.fn.Return<ShardedEndpointShape, QuicError, Scope.Scope> {
  const { count, data } = yield* check(Options, options)
  const shards = new Shards(module, count, data)
  const address = yield* shards.start
  yield* publishSum(shards, address)
  return {
    count,
    address,
    statistics: shards.statistics,
    trees: shards.trees,
    restarts: Effect.sync(() => shards.restarts),
    drain: (deadline, how) =>
      beginDrain(
        (deadlineMillis, { code, reason }) => shards.drain(deadlineMillis, code, reason),
        deadline,
        how
      ),
    ended: Deferred.await(shards.ended)
  }
})

/** Shows the sum as metrics and the trees to inspectors, where there are any. */
const publishSum = Effect.fnUntraced(function* (shards: Shards, address: SocketAddress) {
  const inspector = yield* Inspector
  if (inspector !== undefined)
    for (let index = 0; index < shards.count; index++) yield* inspector.show(shownTree(shards, index))
  if ((yield* Published) === undefined) return
  const context = yield* Effect.context<never>()
  const first = yield* shards.statistics
  const latest = () => shards.latest ?? first
  yield* Effect.acquireRelease(
    Effect.sync(() =>
      registerSeries(endpointSeries(first), addressAttributes("local", address), latest, context)
    ),
    (registrations) => Effect.sync(() => removeAll(registrations))
  )
})

/** Its first endpoint; the one before while the shard is replaced. */
const shownTree = (shards: Shards, index: number): Effect.Effect<EndpointNode> => {
  let known: EndpointNode | undefined
  const look: Effect.Effect<EndpointNode> = Effect.flatMap(shards.treesOf(index), ([tree]) => {
    if (tree !== undefined) known = tree
    // the shards are shown once all of them have an endpoint: it is soon there again
    return known === undefined
      ? Effect.andThen(Effect.sleep(LOOK_AGAIN_MILLIS), look)
      : Effect.succeed(tree ?? { ...known, state: "closed", peers: [], connections: [] })
  })
  return look
}
