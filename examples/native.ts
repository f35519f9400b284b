/** The same transfer on the portable layer and on `layers/ffi`, which calls the system and OpenSSL by `node:ffi`. */
import { NodeRuntime } from "@effect/platform-node"
import { Console, Effect, Layer } from "effect"
import * as Ffi from "../layers/ffi/index.ts"
import * as Node from "../layers/node/index.ts"
import { QuicEndpoint } from "../src/index.ts"

const BYTES = 10e6

const transfer = (stack: typeof Ffi.layerWithoutTrust) =>
  Effect.gen(function* () {
    const identity = yield* Node.NodeIdentity.developmentCertificate()
    const trust = Node.NodeCertificateVerifier.layerPinnedCertificates(identity.chain)
    return yield* Effect.gen(function* () {
      const server = yield* QuicEndpoint.make({ host: "127.0.0.1", server: { alpn: ["sink"], identity } })
      yield* Effect.forkScoped(
        server.serveStreams(
          Effect.fnUntraced(function* (stream) {
            const buffer = new Uint8Array(65_536)
            while ((yield* stream.readInto(buffer)) !== undefined);
            yield* stream.finish
          })
        )
      )
      const client = yield* QuicEndpoint.make({ host: "127.0.0.1" })
      const { port } = server.localAddress
      const connection = yield* client.connect({ host: "localhost", port, alpn: ["sink"] })
      const startedAt = performance.now()
      const stream = yield* connection.openBidi
      const chunk = new Uint8Array(50_000)
      for (let sent = 0; sent < BYTES; sent += chunk.length) yield* stream.write(chunk)
      yield* stream.finish
      yield* stream.read()
      return (8 * BYTES) / 1000 / (performance.now() - startedAt)
    }).pipe(Effect.scoped, Effect.provide(Layer.merge(stack, trust)))
  })

const program = Effect.gen(function* () {
  yield* Console.log(
    `node:dgram and node:crypto: ${Math.round(yield* transfer(Node.layerWithoutTrust))} Mbit/s`
  )
  yield* Console.log(`node:ffi: ${Math.round(yield* transfer(Ffi.layerWithoutTrust))} Mbit/s`)
})

NodeRuntime.runMain(program)
