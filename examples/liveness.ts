/** Two replicas watch each other; one is cut off, is given up, and is told so when it is back. */
import { NodeRuntime } from "@effect/platform-node"
import { Console, Effect, Layer, Stream } from "effect"
import { NodeCryptoSuite } from "../layers/node/index.ts"
import { SimNetwork, SimRuntime } from "../layers/sim/index.ts"
import { Identity, Liveness, QuicEndpoint, Trust } from "../src/index.ts"

const program = Effect.gen(function* () {
  const network = yield* SimNetwork
  const anna = network.host("anna", "10.0.0.1")
  const bert = network.host("bert", "10.0.0.2")
  network.connect(anna, bert, { delayMillis: 20, lossRate: 0.05 })
  network.apply([
    { atMillis: 600_000, fault: { kind: "partition", groups: [["bert"], ["anna"]], forMillis: 15_000 } }
  ])

  const identity = yield* Effect.provide(
    Identity.generateRawKey,
    Layer.merge(bert.layer, NodeCryptoSuite.layer)
  )
  const shared = Layer.merge(NodeCryptoSuite.layer, Trust.layerRawKeys([identity.peerId]))
  const server = yield* QuicEndpoint.make({ port: 4433, server: { alpn: ["replica"], identity } }).pipe(
    Effect.provide(Layer.merge(bert.layer, shared))
  )
  const client = yield* QuicEndpoint.make().pipe(Effect.provide(Layer.merge(anna.layer, shared)))
  const toBert = yield* client.connect({ host: "10.0.0.2", port: 4433, alpn: ["replica"] })
  const toAnna = yield* server.accept

  const liveness = yield* Liveness.make(toBert)
  yield* Effect.sleep("10 minutes")
  const { _tag, phi } = yield* liveness.suspicion
  yield* Console.log(`after ten minutes at 5 % loss: ${_tag}, phi ${phi.toFixed(1)}`)
  const suspected = Stream.filter(liveness.changes, (suspicion) => suspicion._tag === "Suspected")
  yield* Stream.runForEach(Stream.take(suspected, 1), ({ silenceMillis }) =>
    Effect.andThen(
      Console.log(`Anna gives Bert up after ${(silenceMillis / 1000).toFixed(1)} s of silence`),
      liveness.quarantine("your shards have been moved")
    )
  )
  // it has something to say once it is back
  yield* Effect.forkScoped(Effect.ignore(Effect.delay(toAnna.ping, "15 seconds")))
  yield* Console.log(`Bert hears: ${(yield* toAnna.closed).message}`)
})

const report = Effect.gen(function* () {
  const { exit } = yield* Effect.promise(() => SimRuntime.run("any seed", Effect.scoped(program)))
  yield* exit
})

NodeRuntime.runMain(report)
