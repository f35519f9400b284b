/** Ten megabytes to a server and back, over one stream. */
import { NodeRuntime } from "@effect/platform-node"
import { Console, Effect, Layer, Stream } from "effect"
import { QuicEndpoint } from "effect-quic"
import { layerWithoutTrust, NodeCertificateVerifier, NodeIdentity } from "effect-quic/layers/node"

const chunk = new Uint8Array(64_000).map((_, i) => i % 251)
const chunks = Math.ceil(10_000_000 / chunk.length)

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
    const sent = Stream.run(
      Stream.flatMap(Stream.range(1, chunks), () => Stream.make(chunk)),
      stream.writable
    )
    let at = 0
    let isIntact = true
    const read = Stream.runForEach(stream.readable, (bytes) =>
      Effect.sync(() => {
        for (const byte of bytes) isIntact &&= byte === (at++ % chunk.length) % 251
      })
    )
    yield* Effect.all([sent, read], { concurrency: 2 })
    return `${at} bytes, ${isIntact ? "intact" : "damaged"}`
  }).pipe(Effect.scoped, Effect.provide(Layer.merge(layerWithoutTrust, trust)))
})

NodeRuntime.runMain(Effect.flatMap(program, Console.log))
