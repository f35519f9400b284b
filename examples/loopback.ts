/** A server and a client in one process, used by the other examples. */
import { Effect, Layer } from "effect"
import { layerWithoutTrust, NodeCertificateVerifier, NodeIdentity } from "../layers/node/index.ts"
import { type Identity, type QuicConnection, QuicEndpoint, type TransportOptions } from "../src/index.ts"

export const alpn = ["example"]

/** A scoped server on a free local port; `serve` handles each connection. */
export const listen = <E, R>(
  identity: Identity.Identity,
  serve: (connection: QuicConnection) => Effect.Effect<void, E, R>,
  transport: TransportOptions = {}
) =>
  Effect.gen(function* () {
    const server = yield* QuicEndpoint.make({ host: "127.0.0.1", server: { alpn, identity, transport } })
    yield* Effect.forkScoped(server.serve(serve))
    return server.localAddress.port
  })

/** A scoped connection to it. */
export const connect = (port: number, transport: TransportOptions = {}) =>
  Effect.gen(function* () {
    const client = yield* QuicEndpoint.make({ host: "127.0.0.1" })
    return yield* client.connect({ host: "localhost", port, alpn, transport })
  })

/** Runs `program` on the live stack, trusting only the certificate it is given. */
export const onLoopback = <A, E, R>(program: (identity: Identity.Identity) => Effect.Effect<A, E, R>) =>
  Effect.gen(function* () {
    const identity = yield* NodeIdentity.developmentCertificate()
    const trust = NodeCertificateVerifier.layerPinnedCertificates(identity.chain)
    return yield* program(identity).pipe(Effect.scoped, Effect.provide(Layer.merge(layerWithoutTrust, trust)))
  })
