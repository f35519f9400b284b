/** A phone leaves its Wi-Fi in the middle of a download, and comes back. Nobody tells the connection. */
import { NodeRuntime } from "@effect/platform-node"
import { Console, Effect, Layer, Stream } from "effect"
import { NodeCryptoSuite } from "../layers/node/index.ts"
import { SimNetwork, SimRuntime } from "../layers/sim/index.ts"
import { Identity, QuicEndpoint, Trust } from "../src/index.ts"

const wifi = "10.1.0.2"
const mobile = "10.2.0.2"

const program = Effect.gen(function* () {
  const network = yield* SimNetwork
  const internet = network.router("internet")
  const phone = network.host("phone", wifi, mobile)
  const server = network.host("server", "203.0.113.10")
  network.connect(phone, internet, { name: "wifi", from: wifi, delayMillis: 5 })
  network.connect(phone, internet, { name: "mobile", from: mobile, delayMillis: 40 })
  network.connect(server, internet, { bitsPerSecond: 8e6 })
  network.apply([
    { atMillis: 2_000, fault: { kind: "interfaceDown", host: "phone", address: wifi, forMillis: 3_000 } }
  ])

  const identity = yield* Effect.provide(
    Identity.generateRawKey,
    Layer.merge(server.layer, NodeCryptoSuite.layer)
  )
  const shared = Layer.merge(NodeCryptoSuite.layer, Trust.layerRawKeys([identity.peerId]))
  const far = yield* QuicEndpoint.make({ port: 4433, server: { alpn: ["film"], identity } }).pipe(
    Effect.provide(Layer.merge(server.layer, shared))
  )
  const film = Stream.take(Stream.forever(Stream.make(new Uint8Array(50_000))), 200)
  yield* Effect.forkScoped(
    far.serve((connection) => {
      const seen = Stream.map(connection.pathChanges, ([{ remote }]) => remote.host)
      return Effect.all(
        [
          Stream.runForEach(Stream.changes(seen), (host) => Console.log(`the phone is at ${host}`)),
          connection.serveStreams((stream) => Stream.run(film, stream.writable))
        ],
        { concurrency: "unbounded", discard: true }
      )
    })
  )

  const near = yield* QuicEndpoint.make().pipe(Effect.provide(Layer.merge(phone.layer, shared)))
  const connection = yield* near.connect({ host: "203.0.113.10", port: 4433, alpn: ["film"] })
  const stream = yield* connection.openBidi
  yield* stream.finish
  const bytes = yield* Stream.runFold(
    stream.readable,
    () => 0,
    (sum, chunk) => sum + chunk.length
  )
  return `${bytes} bytes over one connection`
})

const report = Effect.gen(function* () {
  const { exit } = yield* Effect.promise(() => SimRuntime.run("any seed", Effect.scoped(program)))
  yield* Console.log(yield* exit)
})

NodeRuntime.runMain(report)
