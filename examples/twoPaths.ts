/** A phone sends over Wi-Fi and the mobile network at once; then the Wi-Fi is gone. */
import { NodeRuntime } from "@effect/platform-node"
import { Clock, Console, Effect, Fiber, Layer } from "effect"
import { NodeCryptoSuite } from "../layers/node/index.ts"
import { SimNetwork, SimRuntime } from "../layers/sim/index.ts"
import { Identity, QuicEndpoint, Trust } from "../src/index.ts"

const wifi = "10.1.0.2"
const mobile = "10.2.0.2"
const megabytes = 20

const program = Effect.gen(function* () {
  const network = yield* SimNetwork
  const internet = network.router("internet")
  const phone = network.host("phone", wifi, mobile)
  const server = network.host("server", "203.0.113.10")
  const home = { name: "wifi", from: wifi, delayMillis: 10, bitsPerSecond: 50e6 }
  const link = network.connect(phone, internet, home)
  network.connect(phone, internet, { name: "mobile", from: mobile, delayMillis: 30, bitsPerSecond: 20e6 })
  network.connect(server, internet, {})

  const identity = yield* Effect.provide(
    Identity.generateRawKey,
    Layer.merge(server.layer, NodeCryptoSuite.layer)
  )
  const shared = Layer.merge(NodeCryptoSuite.layer, Trust.layerRawKeys([identity.peerId]))
  // both sides have to allow more than one path
  const transport = { maxPaths: 2 }
  const far = yield* QuicEndpoint.make({
    port: 4433,
    server: { alpn: ["upload"], identity, transport }
  }).pipe(Effect.provide(Layer.merge(server.layer, shared)))
  yield* Effect.forkScoped(
    far.serve((connection) =>
      connection.serveStreams(
        Effect.fnUntraced(function* (stream) {
          while ((yield* stream.read()) !== undefined);
          yield* stream.finish
        })
      )
    )
  )

  const near = yield* QuicEndpoint.make().pipe(Effect.provide(Layer.merge(phone.layer, shared)))
  const to = { host: "203.0.113.10", port: 4433, alpn: ["upload"], transport }
  const connection = yield* near.connect(to)
  const upload = Effect.gen(function* () {
    const startedAt = yield* Clock.currentTimeMillis
    const stream = yield* connection.openBidi
    for (let i = 0; i < megabytes; i++) yield* stream.write(new Uint8Array(1_000_000))
    yield* stream.finish
    yield* stream.read()
    const seconds = ((yield* Clock.currentTimeMillis) - startedAt) / 1000
    return `${Math.round((8 * megabytes) / seconds)} Mbit/s`
  }).pipe(Effect.scoped)

  yield* Console.log(`Wi-Fi alone: ${yield* upload}`)
  yield* connection.openPath({ local: { host: mobile } })
  yield* Console.log(`Wi-Fi and mobile: ${yield* upload}`)
  const uploading = yield* Effect.forkChild(upload)
  yield* Effect.sleep(500)
  link.set({ up: false })
  yield* Console.log(`Wi-Fi lost after half a second: ${yield* Fiber.join(uploading)}`)
  const states = connection.paths.map(
    ({ id, carriesData }) => `path ${id} ${carriesData ? "carries" : "is silent"}`
  )
  return states.join(", ")
})

const report = Effect.gen(function* () {
  const { exit } = yield* Effect.promise(() => SimRuntime.run("any seed", Effect.scoped(program)))
  yield* Console.log(yield* exit)
})

NodeRuntime.runMain(report)
