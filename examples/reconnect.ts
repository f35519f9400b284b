/** A client keeps a reconnect token in a file; when it is started anew, its question is in the first packets it sends. */
import { NodeFileSystem, NodeRuntime } from "@effect/platform-node"
import { Console, Effect, FileSystem, Option, Redacted, Schema, Stream } from "effect"
import { type Carrier, QuicEndpoint, ReconnectToken } from "../src/index.ts"
import { alpn, onLoopback } from "./loopback.ts"

// from a key store, in a real program
const key = Redacted.make(crypto.getRandomValues(new Uint8Array(32)))
const stored = ReconnectToken.schema({ key })

const ask = (carrier: Carrier, question: string, replaySafe: boolean) =>
  Effect.gen(function* () {
    const stream = yield* carrier.openStream({ replaySafe })
    yield* Stream.run(Stream.encodeText(Stream.make(question)), stream.writable)
    return yield* Stream.mkString(Stream.decodeText(stream.readable))
  }).pipe(Effect.scoped)

/** The life of a client: loads the token of the one before, if there is one, and leaves one to the next. */
const client = (file: string, port: number) =>
  Effect.gen(function* () {
    const fs = yield* FileSystem.FileSystem
    const loaded = yield* Effect.option(Effect.flatMap(fs.readFile(file), Schema.decodeEffect(stored)))
    const endpoint = yield* QuicEndpoint.make({ host: "127.0.0.1" })
    const reconnectToken = Option.getOrUndefined(loaded)
    const connection = yield* endpoint.connect({
      host: "localhost",
      port,
      alpn,
      earlyData: true,
      ...(reconnectToken && { reconnectToken })
    })
    // may be done twice, so it need not wait for the handshake; the other must
    const balance = ask(connection, "balance?", true)
    const payment = ask(connection, "pay 5", false)
    const [asked, paid] = yield* Effect.all([balance, payment], { concurrency: 2 })
    yield* Console.log(`${asked} ${paid}: early data ${connection.facts.earlyData}`)
    yield* Effect.sleep("100 millis")
    const token = Option.getOrThrow(yield* connection.reconnectToken)
    yield* fs.writeFile(file, yield* Schema.encodeEffect(stored)(token))
  }).pipe(Effect.scoped)

const program = onLoopback((identity) =>
  Effect.gen(function* () {
    const server = yield* QuicEndpoint.make({
      host: "127.0.0.1",
      server: { alpn, identity, earlyData: true }
    })
    yield* Effect.forkScoped(server.serveStreams((stream) => Stream.run(stream.readable, stream.writable)))
    const fs = yield* FileSystem.FileSystem
    const file = yield* fs.makeTempFileScoped()
    yield* client(file, server.localAddress.port)
    yield* client(file, server.localAddress.port)
  })
)

NodeRuntime.runMain(Effect.provide(program, NodeFileSystem.layer))
