/** Every wait can be interrupted, raced and timed, and leaves nothing behind. */
import { NodeRuntime } from "@effect/platform-node"
import { Console, Effect, Stream } from "effect"
import type { QuicConnection, QuicStream } from "../src/index.ts"
import { connect, listen, onLoopback } from "./loopback.ts"

/** Thinks for as many milliseconds as it is told; says when it is not allowed to finish the thought. */
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

    // out of patience: the stream is stopped and reset, the connection lives on
    const slow = yield* Effect.timeoutOption(ask(connection, 60_000), 50)
    yield* Console.log(`slow: ${slow._tag}`)

    // whoever answers first; the other question is withdrawn
    yield* Console.log(`race: ${yield* Effect.race(ask(connection, 60_000), ask(connection, 5))}`)

    // nobody listens there: the handshake ends in time, with an error that says so
    const nobody = yield* Effect.flip(connect(9, { handshakeTimeoutMillis: 200 }))
    yield* Console.log(`nobody: ${nobody.message}`)

    // an option out of range is named before anything is sent
    const wrong = yield* Effect.flip(connect(port, { maxIdleTimeoutMillis: -1 }))
    yield* Console.log(`wrong: ${wrong.message}`)
  })
)

NodeRuntime.runMain(program)
