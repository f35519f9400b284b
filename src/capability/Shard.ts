/**
 * One of several endpoints that share a port, each in a thread of its own.
 *
 * Every connection ID an endpoint issues names its shard, so that whoever receives a datagram knows where it belongs,
 * from whatever address it comes. `ShardedEndpoint` in `effect-quic/layers/node` runs a server program in each.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import type * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type { SocketAddress } from "../wire/SocketAddress.ts"
import type { DrainResult, EndpointStatistics } from "./EndpointStatistics.ts"
import type { EndpointNode } from "./treeNodes.ts"

/**
 * The number of a shard, from 0, and how many there are.
 *
 * @category models
 * @since 0.1.0
 */
export interface ShardNumber {
  /** 0 to `count` − 1. */
  readonly index: number
  /** 1 to 128. */
  readonly count: number
}

/**
 * A socket among those that shards have bound to one port.
 *
 * @category models
 * @since 0.1.0
 */
export interface ShardBinding extends ShardNumber {
  /** The shards whose sockets are bound, in the order in which the system has them: this one is the last. */
  readonly order: ReadonlyArray<number>
}

/**
 * What the whole of the shards needs of an endpoint.
 *
 * @category models
 * @since 0.1.0
 */
export interface ShardedPart {
  /** The shared address. */
  readonly address: SocketAddress
  /** What this endpoint has counted. */
  readonly statistics: Effect.Effect<EndpointStatistics>
  /** What lives on it. */
  readonly tree: Effect.Effect<EndpointNode>
  /** Takes it out of service: see `QuicEndpoint.drain`. */
  readonly drain: (deadlineMillis: number, code: number, reason: string) => Effect.Effect<DrainResult>
}

/**
 * The shard this program is.
 *
 * @category models
 * @since 0.1.0
 */
export interface ShardShape extends ShardNumber {
  /**
   * 32 bytes that all shards have in common: each accepts the address tokens of the others, and resets their
   * connections when they are gone.
   */
  readonly secret: Uint8Array
  /** Registers a server's endpoint while the scope lasts. */
  readonly publish: (part: ShardedPart) => Effect.Effect<void, never, Scope.Scope>
}

/**
 * Which shard endpoints belong to. Default undefined: they have their ports for themselves.
 *
 * @category references
 * @since 0.1.0
 */
export const Shard: Context.Reference<ShardShape | undefined> = Context.Reference(
  "effect-quic/capability/Shard",
  { defaultValue: (): ShardShape | undefined => undefined }
)
