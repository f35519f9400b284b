/** A first program: an echo server, and a client that sends it a greeting. */
import { NodeRuntime } from "@effect/platform-node"
import { Console, Effect, Stream } from "effect"
import { layerWithoutTrust, NodeCertificateVerifier, NodeIdentity } from "../layers/node/index.ts"
import { QuicEndpoint } from "../src/index.ts"

const program = Effect.gen(function* () {
  const identity = yield* NodeIdentity.developmentCertificate()
  const trust = NodeCertificateVerifier.layerPinnedCertificates(identity.chain)
  return yield* Effect.gen(function* () {
    const server = yield* QuicEndpoint.make({ server: { alpn: ["echo"], identity } })
    yield* Effect.forkScoped(server.serveStreams((stream) => Stream.run(stream.readable, stream.writable)))
    const client = yield* QuicEndpoint.make()
    const { port } = server.localAddress
    const connection = yield* client.connect({ host: "localhost", port, alpn: ["echo"] })
    const stream = yield* connection.openBidi
    yield* Stream.run(Stream.encodeText(Stream.make("hello, QUIC")), stream.writable)
    return yield* Stream.mkString(Stream.decodeText(stream.readable))
  }).pipe(Effect.scoped, Effect.provide(trust))
})

NodeRuntime.runMain(program.pipe(Effect.flatMap(Console.log), Effect.provide(layerWithoutTrust)))
