/** A server in a worker thread, which posts its port and then waits for clients. */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { parentPort } from "node:worker_threads"
import { NodeIdentity } from "../../layers/node/index.ts"
import { QuicEndpoint, Trust } from "../../src/index.ts"
import { layerWithoutTrust } from "../io.ts"

const serve = Effect.gen(function* () {
  const identity = yield* NodeIdentity.developmentCertificate()
  const server = yield* QuicEndpoint.make({ host: "127.0.0.1", server: { alpn: ["test"], identity } })
  parentPort!.postMessage(server.localAddress.port)
  return yield* Effect.never
})

const stack = Layer.merge(layerWithoutTrust, Trust.layerInsecureAcceptsAnyPeer)
Effect.runFork(Effect.scoped(Effect.provide(serve, stack)))
