/** What the threads of a sharded endpoint say to each other. Plain data: it is cloned on its way. */
import type { EndpointStatistics } from "../../../src/capability/EndpointStatistics.ts"
import type { EndpointNode } from "../../../src/capability/treeNodes.ts"
import type { DrainResult } from "../../../src/EndpointDrain.ts"
import type { SocketAddress } from "../../../src/wire/SocketAddress.ts"
import type { Stray } from "../../udp/ShardedSocket.ts"

/** What a shard is started with, as `workerData`. */
export interface ShardStart {
  readonly effectQuicShard: {
    readonly index: number
    readonly count: number
    /** The shards alive, in the order in which they were bound, as the system keeps it. */
    readonly order: ReadonlyArray<number>
    readonly secret: Uint8Array
    /** The memory of the shared replay guard. */
    readonly replays: SharedArrayBuffer
    /** What the program was given. */
    readonly data: unknown
  }
}

/** A question to a shard. */
export type Question =
  | { readonly about: "statistics" }
  | { readonly about: "tree" }
  | {
      readonly about: "drain"
      readonly deadlineMillis: number
      readonly code: number
      readonly reason: string
    }

/** The answers, in the order of the shard's endpoints. */
export interface Answers {
  readonly statistics: ReadonlyArray<EndpointStatistics>
  readonly tree: ReadonlyArray<EndpointNode>
  readonly drain: ReadonlyArray<DrainResult>
}

/** To a shard. */
export type ToShard =
  | { readonly _tag: "ask"; readonly id: number; readonly question: Question }
  | Strays
  /** Another shard has taken, or will never take, as many datagrams of this one. */
  | { readonly _tag: "taken"; readonly by: number; readonly count: number }
  /** Ends the program. */
  | { readonly _tag: "stop" }

/** From a shard. */
export type FromShard =
  /** Its first endpoint is bound. */
  | { readonly _tag: "listening"; readonly address: SocketAddress }
  | { readonly _tag: "answer"; readonly id: number; readonly answer: Answers[Question["about"]] }
  | Strays
  | { readonly _tag: "taken"; readonly by: number; readonly count: number }
  /** Its program has ended with a failure. */
  | { readonly _tag: "failed"; readonly problem: string }

/** Datagrams that reached the wrong shard; `shard` is where they go, or, on arrival, where they come from. */
export interface Strays {
  readonly _tag: "strays"
  readonly shard: number
  readonly port: number
  readonly strays: ReadonlyArray<Stray>
}
