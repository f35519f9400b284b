/** Every operation can be interrupted, raced and timed out without leaks. */
import { NodeRuntime } from "@effect/platform-node"
import { Console, Effect, Stream } from "effect"
import type { QuicConnection, QuicStream } from "../src/index.ts"
import { connect, listen, onLoopback } from "./loopback.ts"

/** Sleeps for the requested number of milliseconds, then replies. */
const think = Effect.fnUntraced(function* (stream: QuicStream) {
  const millis = Number(yield* Stream.mkString(Stream.decodeText(stream.readable)))
  yield* Effect.sleep(millis)
  yield* Stream.run(Stream.encodeText(Stream.make(`thought for ${millis} ms`)), stream.writable)
})

const ask = Effect.fnUntraced(function* (connection: QuicConnection, millis: number) {
  const stream = yield* connection.openBidi
  yield* Stream.run(Stream.encodeText(Stream.make(`${millis}`)), stream.writable)
  return yield* Stream.mkString(Stream.decodeText(stream.readable))
}, Effect.scoped)

const program = onLoopback((identity) =>
  Effect.gen(function* () {
    const port = yield* listen(identity, (connection) => connection.serveStreams(think))
    const connection = yield* connect(port)

    // timeout: the stream is stopped and reset, the connection stays open
    const slow = yield* Effect.timeoutOption(ask(connection, 60_000), 50)
    yield* Console.log(`slow: ${slow._tag}`)

    // the first response wins; the other request is cancelled
    yield* Console.log(`race: ${yield* Effect.race(ask(connection, 60_000), ask(connection, 5))}`)

    // nothing listens there: the handshake times out with a descriptive error
    const nobody = yield* Effect.flip(connect(9, { handshakeTimeout: "200 millis" }))
    yield* Console.log(`nobody: ${nobody.message}`)

    // an invalid option is reported before anything is sent
    const wrong = yield* Effect.flip(connect(port, { maxIdleTimeout: "-1 seconds" }))
    yield* Console.log(`wrong: ${wrong.message}`)
  })
)

NodeRuntime.runMain(program)
