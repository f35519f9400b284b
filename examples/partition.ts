/** Tests the replicated counter of counter.ts in the simulator, on a network that partitions and heals. */
import { NodeRuntime } from "@effect/platform-node"
import { Console, Effect, Layer } from "effect"
import { NodeCryptoSuite } from "../layers/node/index.ts"
import { SimRuntime, SimTopology } from "../layers/sim/index.ts"
import { Identity, Trust } from "../src/index.ts"
import { makeCounter } from "./counter.ts"

const addresses = { ada: "10.0.0.1", bob: "10.0.0.2", cyd: "10.0.0.3" }
const line = { delayMillis: 10, lossRate: 0.05 }
const topology = SimTopology.make({
  hosts: addresses,
  routers: { core: {} },
  links: { a: ["ada", "core", line], b: ["bob", "core", line], c: ["cyd", "core", line] }
})

const test = Effect.gen(function* () {
  const { hosts, network } = yield* topology.build
  const identity = yield* Effect.provide(Identity.generateRawKey, [hosts.ada.layer, NodeCryptoSuite.layer])
  const shared = Layer.merge(NodeCryptoSuite.layer, Trust.layerRawKeys([identity.peerId]))
  const replicas = yield* Effect.forEach(Object.values(hosts), (host) =>
    makeCounter(
      host.name,
      identity,
      Object.values(addresses).filter((address) => address !== host.addresses[0])
    ).pipe(Effect.provide(Layer.merge(host.layer, shared)))
  )
  const heal = network.partition([["ada"], ["bob", "cyd"]])
  for (const { increment } of replicas) yield* Effect.repeat(increment, { times: 9 })
  yield* Effect.sleep("10 seconds")
  const apart = yield* Effect.all(replicas.map(({ value }) => value))
  heal()
  yield* Effect.sleep("40 seconds")
  return { apart, together: yield* Effect.all(replicas.map(({ value }) => value)) }
})

const program = Effect.gen(function* () {
  const { exit } = yield* Effect.promise(() => SimRuntime.run("any seed", Effect.scoped(test)))
  const { apart, together } = yield* exit
  yield* Console.log(`apart: ${apart.join(", ")}\ntogether: ${together.join(", ")}`)
})

NodeRuntime.runMain(program)
