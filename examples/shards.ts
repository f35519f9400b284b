/** A server in two threads that share a port: a client that moves stays in its thread. */
import { NodeRuntime } from "@effect/platform-node"
import { Console, Effect, Layer, Redacted } from "effect"
import {
  layerWithoutTrust,
  NodeCertificateVerifier,
  NodeIdentity,
  ShardedEndpoint
} from "../layers/node/index.ts"
import { Identity, type QuicConnection, QuicEndpoint, Shard, Trust } from "../src/index.ts"

interface Data {
  readonly port: number
  readonly cert: string
  readonly key: string
}

/** In each thread: tells clients which it is. */
const shard = Effect.gen(function* () {
  const { port, ...pem } = ShardedEndpoint.data as Data
  const identity = yield* Identity.fromPem(pem)
  const index = (yield* Shard)?.index
  const endpoint = yield* QuicEndpoint.make({ host: "127.0.0.1", port, server: { alpn: ["who"], identity } })
  yield* endpoint.serveStreams((stream) =>
    Effect.andThen(stream.write(new TextEncoder().encode(`thread ${index}`)), stream.finish)
  )
}).pipe(
  Effect.scoped,
  Effect.provide(ShardedEndpoint.layer),
  Effect.provide(Layer.merge(layerWithoutTrust, Trust.layerRawKeys([])))
)

const ask = (connection: QuicConnection) =>
  Effect.scoped(
    Effect.gen(function* () {
      const stream = yield* connection.openBidi
      yield* stream.finish
      return new TextDecoder().decode(yield* stream.read())
    })
  )

/** In the main thread. */
const program = Effect.gen(function* () {
  const identity = yield* NodeIdentity.developmentCertificate()
  const trust = NodeCertificateVerifier.layerPinnedCertificates(identity.chain)
  yield* Effect.gen(function* () {
    const free = yield* Effect.scoped(QuicEndpoint.make({ host: "127.0.0.1" }))
    const data: Data = {
      port: free.localAddress.port,
      cert: Identity.publicPem(identity),
      key: Redacted.value(Identity.privateKeyPem(identity))
    }
    const server = yield* ShardedEndpoint.make(new URL(import.meta.url), { count: 2, data })
    const client = yield* QuicEndpoint.make({ host: "127.0.0.1" })
    const address = { host: "127.0.0.1", port: server.address.port }
    const connection = yield* client.connect({ ...address, alpn: ["who"], serverName: "localhost" })
    const before = yield* ask(connection)
    yield* client.rebind({ host: "127.0.0.1" })
    const after = yield* ask(connection)
    yield* Console.log(`moved, and still served by the same of ${server.count} threads: ${before === after}`)
    const { connectionsActive } = yield* server.statistics
    yield* Console.log(`${connectionsActive} connection in all`)
  }).pipe(Effect.scoped, Effect.provide(Layer.merge(layerWithoutTrust, trust)))
})

if (ShardedEndpoint.isShard) ShardedEndpoint.run(shard)
else NodeRuntime.runMain(program)
