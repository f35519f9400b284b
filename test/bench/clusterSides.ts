/**
 * A runner or a client of a cluster in its own process: `node clusterSides.ts SYSTEM runner PORT` or
 * `node clusterSides.ts SYSTEM client`. The cluster's storage is with the parent and is asked over IPC; what an entity
 * answers is the name of its runner.
 */
import * as NodeClusterSocket from "@effect/platform-node/NodeClusterSocket"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as Scope from "effect/Scope"
import * as Entity from "effect/cluster/Entity"
import * as EntityId from "effect/cluster/EntityId"
import * as MessageStorage from "effect/cluster/MessageStorage"
import * as RunnerAddress from "effect/cluster/RunnerAddress"
import * as RunnerStorage from "effect/cluster/RunnerStorage"
import * as Sharding from "effect/cluster/Sharding"
import * as ShardingConfig from "effect/cluster/ShardingConfig"
import * as Rpc from "effect/rpc/Rpc"
import { NodeCertificateVerifier } from "../../layers/node/index.ts"
import { QuicRunner } from "../../src/index.ts"
import { certificate } from "./identity.ts"
import { layerWithoutTrust } from "../io.ts"

export type ClusterSystem = "effect-quic" | "NodeClusterSocket, TCP"

/** To the parent: that this side is ready, what it asks of the storage, or the answer to a question. */
export type ClusterMessage =
  | { readonly kind: "ready"; readonly healthShard: string }
  | {
      readonly kind: "storage"
      readonly id: number
      readonly method: keyof RunnerStorage.Encoded
      readonly args: ReadonlyArray<unknown>
    }
  | { readonly kind: "hosts"; readonly hosts: ReadonlyArray<string> }

/** From the parent: an answer of the storage, or the request to ask so many entities where they are. */
export type ClusterQuestion =
  | { readonly kind: "stored"; readonly id: number; readonly value: unknown }
  | { readonly kind: "ask"; readonly entities: number }

const HOST = "127.0.0.1"
const [system, role, port] = process.argv.slice(2)

const say = (message: ClusterMessage): void => {
  process.send!(message)
}

const waiting = new Map<number, (value: unknown) => void>()
let nextId = 0

const stored = (method: keyof RunnerStorage.Encoded, ...args: ReadonlyArray<unknown>) =>
  Effect.callback<never>((resume) => {
    const id = nextId++
    waiting.set(id, (value) => resume(Effect.succeed(value as never)))
    say({ kind: "storage", id, method, args })
  })

const storage = RunnerStorage.makeEncoded({
  getRunners: Effect.suspend(() => stored("getRunners")),
  register: (...args) => stored("register", ...args),
  unregister: (...args) => stored("unregister", ...args),
  setRunnerHealth: (...args) => stored("setRunnerHealth", ...args),
  acquire: (...args) => stored("acquire", ...args),
  refresh: (...args) => stored("refresh", ...args),
  release: (...args) => stored("release", ...args),
  releaseAll: (...args) => stored("releaseAll", ...args)
})

const Desk = Entity.make("Desk", [Rpc.make("Where", { success: Schema.String })])

const { identity } = await certificate()
const trust = Layer.orDie(NodeCertificateVerifier.layerPinnedCertificates(identity.chain))
const quic = { identity, serverName: "localhost" }
const isClient = role === "client"
const config = {
  runnerAddress: isClient ? Option.none() : Option.some(RunnerAddress.make(HOST, Number(port)))
}

/** One layer differs. */
const overQuic = (isClient ? QuicRunner.layerClientOnly(quic) : QuicRunner.layer(quic)).pipe(
  Layer.provide([layerWithoutTrust, trust, ShardingConfig.layer(config)])
)
const overTcp = isClient
  ? NodeClusterSocket.layer({ storage: "byo", clientOnly: true, shardingConfig: config })
  : NodeClusterSocket.layer({ storage: "byo", shardingConfig: config })

const chosen: Layer.Layer<
  Sharding.Sharding,
  unknown,
  MessageStorage.MessageStorage | RunnerStorage.RunnerStorage
> = system === "effect-quic" ? overQuic : overTcp

const sharding = chosen.pipe(
  Layer.provide([MessageStorage.layerNoop, Layer.succeed(RunnerStorage.RunnerStorage, storage)]),
  Layer.provideMerge(Logger.layer([]))
)
const desks = Desk.toLayer(Desk.of({ Where: () => Effect.succeed(`${HOST}:${port}`) }))

const scope = Scope.makeUnsafe()
const context = await Effect.runPromise(
  Layer.buildWithScope(isClient ? sharding : Layer.provideMerge(desks, sharding), scope)
)

const hosts = (entities: number): Promise<ReadonlyArray<string>> =>
  Desk.client.pipe(
    Effect.flatMap((client) =>
      Effect.forEach(
        Array.from({ length: entities }, (_, i) => `desk ${i}`),
        (id) => client(id).Where(),
        { concurrency: 64 }
      )
    ),
    Effect.map((all) => [...new Set(all)]),
    Effect.provideContext(context),
    Effect.runPromise
  )

process.on("disconnect", () => process.exit(0))
process.on("message", (message: ClusterQuestion) => {
  if (message.kind === "stored") {
    waiting.get(message.id)?.(message.value)
    waiting.delete(message.id)
  } else hosts(message.entities).then((all) => say({ kind: "hosts", hosts: all }))
})

const healthShard = await Effect.runPromise(
  Effect.provideContext(
    Effect.map(Sharding.Sharding, (all) =>
      all.getShardId(EntityId.make("effect/cluster/Sharding/RunnerHealth"), "default").toString()
    ),
    context
  )
)
say({ kind: "ready", healthShard })
