/** Each stream has its own handler, fiber and scope; a failing handler does not affect the others. */
import { NodeRuntime } from "@effect/platform-node"
import { Console, Effect, Stream } from "effect"
import type { QuicConnection, QuicStream } from "../src/index.ts"
import { connect, listen, onLoopback } from "./loopback.ts"

/** Replies in capitals. Fails on "the impossible", which resets the client's stream. */
const shout = Effect.fnUntraced(function* (stream: QuicStream) {
  const question = yield* Stream.mkString(Stream.decodeText(stream.readable))
  if (question === "the impossible") return yield* Effect.fail("impossible")
  yield* Stream.run(Stream.encodeText(Stream.make(question.toUpperCase())), stream.writable)
})

const ask = Effect.fnUntraced(function* (connection: QuicConnection, question: string) {
  const stream = yield* connection.openBidi
  yield* Stream.run(Stream.encodeText(Stream.make(question)), stream.writable)
  return yield* Stream.mkString(Stream.decodeText(stream.readable))
}, Effect.scoped)

const program = onLoopback((identity) =>
  Effect.gen(function* () {
    const port = yield* listen(identity, (connection) => connection.serveStreams(shout))
    const connection = yield* connect(port)
    const answers = yield* Effect.forEach(
      ["one", "two", "the impossible", "three"],
      (question) =>
        ask(connection, question).pipe(
          Effect.catchReason("QuicError", "StreamReset", ({ code }) => Effect.succeed(`reset, code ${code}`)),
          Effect.map((answer) => `${question}: ${answer}`)
        ),
      { concurrency: "unbounded" }
    )
    yield* Console.log(answers.join("\n"))
  })
)

NodeRuntime.runMain(program)
