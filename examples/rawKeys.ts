/** Two peers without certificates, identified by their public keys, that accept only each other. RFC 7250 */
import { NodeRuntime } from "@effect/platform-node"
import { Console, Effect, Fiber } from "effect"
import { layerWithoutTrust } from "../layers/node/index.ts"
import { Identity, PeerId, type QuicConnection, QuicEndpoint, Trust } from "../src/index.ts"

const peerOf = ({ facts: { peer } }: QuicConnection): string =>
  peer?._tag === "rawPublicKey" ? PeerId.fromSpki(peer.spki) : "nobody"

const program = Effect.gen(function* () {
  const alice = yield* Identity.generateRawKey
  const bob = yield* Identity.generateRawKey

  const server = yield* QuicEndpoint.make({
    host: "127.0.0.1",
    server: { alpn: ["peers"], identity: alice, clientCertificate: "require" }
  }).pipe(Effect.provide(Trust.layerRawKeys([bob.peerId])))
  const accepted = yield* Effect.forkScoped(server.accept)

  const client = yield* QuicEndpoint.make({ host: "127.0.0.1" }).pipe(
    Effect.provide(Trust.layerRawKeys([alice.peerId]))
  )
  const { port } = server.localAddress
  const connection = yield* client.connect({ host: "127.0.0.1", port, alpn: ["peers"], identity: bob })
  yield* Console.log(`Bob talks to Alice: ${peerOf(connection) === alice.peerId}`)
  yield* Console.log(`Alice talks to Bob: ${peerOf(yield* Fiber.join(accepted)) === bob.peerId}`)

  const mallory = yield* Identity.generateRawKey
  // her side of the handshake completes before Alice has verified her key
  const refusal = yield* client.connect({ host: "127.0.0.1", port, alpn: ["peers"], identity: mallory }).pipe(
    Effect.flatMap(({ closed }) => Effect.flatMap(closed, Effect.fail)),
    Effect.flip
  )
  yield* Console.log(`Mallory: ${refusal.message}`)
}).pipe(Effect.scoped, Effect.provide(layerWithoutTrust))

NodeRuntime.runMain(program)
