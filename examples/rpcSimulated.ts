/** Tests an RPC service in the simulator: at 5 % loss, and through a partition, in virtual time. */
import { NodeRuntime } from "@effect/platform-node"
import { Clock, Console, Effect, Fiber, Layer, Schedule, Schema, Stream } from "effect"
import { Rpc, RpcClient, RpcGroup, RpcServer } from "effect/rpc"
import { NodeCryptoSuite } from "../layers/node/index.ts"
import { SimNetwork, SimRuntime } from "../layers/sim/index.ts"
import { Identity, QuicRpc, Trust } from "../src/index.ts"

const Stock = RpcGroup.make(
  Rpc.make("Price", { payload: { of: Schema.String }, success: Schema.Number }).annotate(
    QuicRpc.ReplaySafe,
    true
  ),
  Rpc.make("Ticks", { success: Schema.Number, stream: true })
)

const service = RpcServer.layer(Stock).pipe(
  Layer.provide(
    Stock.toLayer({
      Price: ({ of }) => Effect.succeed(of.length),
      Ticks: () => Stream.range(1, 10_000)
    })
  )
)

const alpn = ["stock"]

const test = Effect.gen(function* () {
  const network = yield* SimNetwork
  const home = network.host("home", "10.0.0.1")
  const exchange = network.host("exchange", "10.0.0.2")
  network.connect(home, exchange, { delayMillis: 20, lossRate: 0.05 })
  const identity = yield* Effect.provide(Identity.generateRawKey, [home.layer, NodeCryptoSuite.layer])
  const platform = Layer.merge(NodeCryptoSuite.layer, Trust.layerRawKeys([identity.peerId]))

  const served = QuicRpc.layerListen({ port: 4433, server: { alpn, identity }, group: Stock })
  yield* Layer.build(service.pipe(Layer.provide(served), Layer.provide([exchange.layer, platform])))
  const calling = QuicRpc.layerConnect({
    host: "10.0.0.2",
    port: 4433,
    alpn,
    group: Stock,
    transport: { maxIdleTimeout: "3 seconds" }
  })
  const context = yield* Layer.build(calling.pipe(Layer.provide([home.layer, platform])))
  const stock = yield* Effect.provideContext(RpcClient.make(Stock), context)

  const ticks = yield* Stream.runCount(stock.Ticks())

  const heal = network.partition([["home"], ["exchange"]])
  const cutOff = yield* Effect.flip(stock.Price({ of: "tea" }))
  const patient = yield* stock.Price({ of: "coffee" }).pipe(
    // the price may be asked for twice
    Effect.retry(Schedule.spaced("1 second")),
    Effect.forkScoped
  )
  yield* Effect.sleep("20 seconds")
  heal()
  const healed = yield* Clock.currentTimeMillis
  const price = yield* Fiber.join(patient)
  const waited = (yield* Clock.currentTimeMillis) - healed
  return [
    `${ticks} ticks at 5 % loss`,
    `cut off: ${cutOff.reason.cause}`,
    `a price of ${price}, ${(waited / 1000).toFixed(1)} s after the network healed`
  ]
})

const program = Effect.gen(function* () {
  const { exit } = yield* Effect.promise(() => SimRuntime.run("any seed", Effect.scoped(test)))
  yield* Effect.forEach(yield* exit, (line) => Console.log(line))
})

NodeRuntime.runMain(program)
