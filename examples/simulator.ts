/** Transfers a file over a lossy mobile link in virtual time; the same seed reproduces the same run. */
import { NodeRuntime } from "@effect/platform-node"
import { Console, Effect, Layer, Stream } from "effect"
import { NodeCertificateVerifier, NodeCryptoSuite, NodeIdentity } from "../layers/node/index.ts"
import { SimNetwork, SimRuntime } from "../layers/sim/index.ts"
import { type QuicConnection, QuicEndpoint } from "../src/index.ts"

const bytes = 2_000_000

/** Leaving a connection's scope closes it, so wait until everything is acknowledged. */
const sendFile = Effect.fnUntraced(function* (connection: QuicConnection) {
  const file = yield* connection.openUni
  yield* Stream.run(Stream.make(new Uint8Array(bytes)), file.writable)
  yield* file.finished
}, Effect.scoped)

const transfer = Effect.gen(function* () {
  const network = yield* SimNetwork
  const phone = network.host("phone", "10.0.0.1")
  const tower = network.host("tower", "10.0.0.2")
  network.connect(phone, tower, { delayMillis: 30, jitterMillis: 10, lossRate: 0.02, bitsPerSecond: 5e6 })

  const identity = yield* NodeIdentity.developmentCertificate({ hosts: ["10.0.0.2"], keyType: "ed25519" })
  const shared = Layer.merge(
    NodeCryptoSuite.layer,
    NodeCertificateVerifier.layerPinnedCertificates(identity.chain)
  )
  const server = yield* QuicEndpoint.make({ port: 4433, server: { alpn: ["file"], identity } }).pipe(
    Effect.provide(Layer.merge(tower.layer, shared))
  )
  yield* Effect.forkScoped(server.serve(sendFile))

  const client = yield* QuicEndpoint.make().pipe(Effect.provide(Layer.merge(phone.layer, shared)))
  const connection = yield* client.connect({ host: "10.0.0.2", port: 4433, alpn: ["file"] })
  const file = yield* connection.acceptUni
  return yield* Stream.runFold(
    file.readable,
    () => 0,
    (total, chunk) => total + chunk.length
  )
})

const program = Effect.gen(function* () {
  const { exit, virtualMillis } = yield* Effect.promise(() =>
    SimRuntime.run("any seed", Effect.scoped(transfer))
  )
  const received = yield* exit
  yield* Console.log(`${received} bytes in ${(virtualMillis / 1000).toFixed(1)} s of virtual time`)
})

NodeRuntime.runMain(program)
