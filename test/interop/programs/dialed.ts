/**
 * An endpoint of iroh's and one of ours, which know nothing of each other but their keys and our relay, and dial each other.
 * Emits a line of JSON for each thing they have done.
 */
import { createHash, randomBytes } from "node:crypto"
import { type Connection, Endpoint, EndpointAddr, EndpointId, RelayMode } from "@number0/iroh"
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
import { fail, leave } from "./program.ts"

// stdin ends when the parent dies
process.stdin.on("end", () => process.exit(1)).resume()

const name = "transfer"
const chunkBytes = 64 * 1024
const sent = randomBytes(10_000_000)
const sentDigest = createHash("sha256").update(sent).digest("hex")

const emit = (event: object): void => void process.stdout.write(`${JSON.stringify(event)}\n`)

const bind = async (relay: string): Promise<Endpoint> => {
  const builder = Endpoint.builder()
  builder.applyMinimal()
  builder.relayMode(RelayMode.customFromUrls([relay]))
  builder.alpns([[...Buffer.from(name)]])
  builder.bindAddr("127.0.0.1:0")
  const endpoint = await builder.bind()
  await endpoint.online()
  return endpoint
}

/** Echoes one stream of iroh's next connection. */
const echoOne = async (endpoint: Endpoint): Promise<void> => {
  const incoming = await endpoint.acceptNext()
  const connection = await (await incoming!.accept()).connect()
  const { recv, send } = await connection.acceptBi()
  for (;;) {
    const chunk = await recv.read(chunkBytes)
    if (chunk.length === 0) break
    await send.writeAll(chunk)
  }
  await send.finish()
  await connection.closed()
}

/** What iroh sends comes back. */
const askFromIroh = async (connection: Connection): Promise<void> => {
  const { recv, send } = await connection.openBi()
  const sending = (async () => {
    for (let at = 0; at < sent.length; at += chunkBytes)
      await send.writeAll([...sent.subarray(at, at + chunkBytes)])
    await send.finish()
  })()
  const received = createHash("sha256")
  for (;;) {
    const chunk = await recv.read(chunkBytes)
    if (chunk.length === 0) break
    received.update(Uint8Array.from(chunk))
  }
  await sending
  if (received.digest("hex") !== sentDigest) throw new Error("the bytes are not those sent")
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
    await askFromIroh(connection)
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
