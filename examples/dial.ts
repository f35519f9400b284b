/** Two peers that know nothing of each other but a ticket: one pastes what the other prints. The relay is on this machine. */
import { NodeRuntime } from "@effect/platform-node"
import { Console, Effect, Layer, Stream } from "effect"
import { layerWithoutTrust, RelayServer } from "../layers/node/index.ts"
import { DialAddress, Identity, PeerId, QuicEndpoint, Trust } from "../src/index.ts"

const program = Effect.gen(function* () {
  const relay = yield* RelayServer.make({ host: "127.0.0.1", port: 0, discovery: false })

  const bob = yield* QuicEndpoint.make({
    host: "127.0.0.1",
    identity: yield* Identity.generateRawKey,
    relays: [relay.url],
    server: { alpn: ["greeting"] }
  })
  yield* Effect.forkScoped(
    Effect.ignore(bob.serveStreams((stream) => Stream.run(stream.readable, stream.writable)))
  )
  yield* bob.online
  const address = yield* bob.dialAddress
  const ticket = DialAddress.ticket(address)
  yield* Console.log(`Bob's ticket begins with ${ticket.slice(0, 8)}`)

  const alice = yield* QuicEndpoint.make({
    host: "127.0.0.1",
    identity: yield* Identity.generateRawKey
  })
  const connection = yield* alice.dial(ticket, { alpn: ["greeting"] })
  const stream = yield* connection.openBidi
  yield* stream.write(new TextEncoder().encode("hello, Bob"))
  yield* stream.finish
  yield* Console.log(yield* Stream.mkString(Stream.decodeText(stream.readable)))
  const { peer } = connection.facts
  const isBob = peer?._tag === "rawPublicKey" && PeerId.fromSpki(peer.spki) === DialAddress.peerId(address)
  yield* Console.log(`it was Bob: ${isBob}`)

  const mallory = yield* Identity.generateRawKey
  const publicKey = DialAddress.publicKeyOf(mallory)
  if (publicKey === undefined) return
  const refused = yield* Effect.flip(
    alice.dial({ ...address, publicKey, relays: [] }, { alpn: ["greeting"] })
  )
  yield* Console.log(`Bob is not Mallory: ${refused.message.includes("not among the known ones")}`)
}).pipe(Effect.scoped, Effect.provide(Layer.merge(layerWithoutTrust, Trust.layerAnyRawKey)))

NodeRuntime.runMain(program)
