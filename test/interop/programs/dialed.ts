/**
 * An endpoint of iroh's and one of ours, which know nothing of each other but their keys and our relay, and dial each other.
 * Emits a line of JSON for each thing they have done.
 */
import { createHash, randomBytes } from "node:crypto"
import { type Endpoint, EndpointAddr, EndpointId } from "@number0/iroh"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Stream from "effect/Stream"
import { layerWithoutTrust, RelayServer } from "../../../layers/node/index.ts"
import {
  Identity,
  type QuicConnection,
  QuicEndpoint,
  type QuicEndpointShape,
  Trust
} from "../../../src/index.ts"
import { askEcho, bind, digestOf, echo, emit, name } from "./iroh.ts"
import { fail, leave } from "./program.ts"

// stdin ends when the parent dies
process.stdin.on("end", () => process.exit(1)).resume()

const sent = randomBytes(10_000_000)
const sentDigest = digestOf(sent)

/** Echoes one stream of iroh's next connection. */
const echoOne = async (endpoint: Endpoint): Promise<void> => {
  const incoming = await endpoint.acceptNext()
  const connection = await (await incoming!.accept()).connect()
  await echo(connection)
}

const askFromOurs = Effect.fnUntraced(function* (connection: QuicConnection) {
  const stream = yield* connection.openBidi
  const writing = yield* Effect.forkScoped(Effect.andThen(stream.write(sent), stream.finish))
  const received = createHash("sha256")
  yield* Stream.runForEach(stream.readable, (bytes) => Effect.sync(() => void received.update(bytes)))
  yield* Fiber.join(writing)
  if (received.digest("hex") !== sentDigest) throw new Error("the bytes are not those sent")
})

const waysOf = ({ paths }: QuicConnection): string =>
  paths.map(({ remote }) => (remote.relayed === undefined ? "direct" : "relayed")).join(", ")

const weDial = Effect.fnUntraced(function* (ours: QuicEndpointShape, iroh: Endpoint, relay: string) {
  const echoed = echoOne(iroh)
  const publicKey = Uint8Array.from(iroh.id().toBytes())
  yield* Effect.scoped(
    Effect.gen(function* () {
      const connection = yield* ours.dial({ publicKey, relays: [relay] }, { alpn: [name] })
      const began = waysOf(connection)
      if (began !== "relayed") throw new Error(`it began ${began}`)
      yield* askFromOurs(connection)
      emit({ event: "weDial", note: waysOf(connection) })
    })
  )
  yield* Effect.promise(() => echoed)
})

const irohDials = Effect.fnUntraced(function* (ours: QuicEndpointShape, iroh: Endpoint, relay: string) {
  const { publicKey } = yield* ours.dialAddress
  const serving = yield* Effect.forkScoped(
    Effect.flatMap(ours.accept, (connection) =>
      Effect.map(
        Effect.ignore(connection.serveStreams((stream) => Stream.run(stream.readable, stream.writable))),
        () => waysOf(connection)
      )
    )
  )
  yield* Effect.promise(async () => {
    const address = new EndpointAddr(EndpointId.fromBytes([...publicKey]), relay)
    const connection = await iroh.connect(address, [...Buffer.from(name)])
    if (!connection.paths().some(({ isRelay }) => isRelay)) throw new Error("it did not connect by the relay")
    await askEcho(connection, sent)
    connection.close(0n, [])
  })
  emit({ event: "irohDials", note: yield* Fiber.join(serving) })
})

const program = Effect.gen(function* () {
  const relay = yield* RelayServer.make({ host: "127.0.0.1", port: 0 })
  const identity = yield* Identity.generateRawKey
  const ours = yield* QuicEndpoint.make({
    host: "127.0.0.1",
    identity,
    relays: [relay.url],
    server: { alpn: [name] }
  })
  yield* ours.online
  const iroh = yield* Effect.promise(() => bind(relay.url))
  yield* weDial(ours, iroh, relay.url)
  yield* irohDials(ours, iroh, relay.url)
  yield* Effect.promise(() => iroh.close())
})

const layers = Layer.merge(layerWithoutTrust, Trust.layerAnyRawKey)
await Effect.runPromise(program.pipe(Effect.scoped, Effect.provide(layers))).then(leave, ({ message }) =>
  fail(message)
)
