/** One connection carries a protocol that tells the time, one that sends positions, and the application's own streams. */
import { NodeRuntime } from "@effect/platform-node"
import { Console, Effect, Stream } from "effect"
import type { Carrier, QuicConnection, QuicStream } from "../src/index.ts"
import { connect, listen, onLoopback } from "./loopback.ts"

const transport = { maxDatagramFrameBytes: 1200 }
const text = (value: string) => new TextEncoder().encode(value)
const readText = (stream: QuicStream) => Stream.mkString(Stream.decodeText(stream.readable))

/** Sends a question in the words of some protocol, and reads the answer. */
const ask = Effect.fnUntraced(function* (carrier: Carrier, ...question: ReadonlyArray<string>) {
  const stream = yield* carrier.openStream()
  yield* stream.writeAll(question.map(text))
  yield* stream.finish
  return yield* readText(stream)
}, Effect.scoped)

// a protocol knows its preamble or its number, and nothing of the others
const serveTime = (carrier: Carrier) =>
  carrier.claimStreams(text("time1"), (stream) =>
    Effect.flatMap(readText(stream), (place) => stream.write(text(`noon in ${place}`)))
  )

const follow = Effect.fnUntraced(function* (carrier: Carrier) {
  const claim = yield* carrier.claimDatagrams(7)
  return Effect.map(claim.receive, (position) => `the ship is at ${position.join(", ")}`)
})

const server = Effect.fnUntraced(function* (connection: QuicConnection) {
  yield* serveTime(connection)
  const ship = yield* connection.claimDatagrams(7)
  yield* ship.send(Uint8Array.of(54, 10), { latest: "ship" })
  // the application has what is left
  yield* connection.serveStreams((stream) =>
    Effect.flatMap(readText(stream), (all) => stream.write(text(`you said: ${all}`)))
  )
})

const program = onLoopback((identity) =>
  Effect.gen(function* () {
    const port = yield* listen(
      identity,
      (connection) => Effect.ignore(Effect.scoped(server(connection))),
      transport
    )
    const connection = yield* connect(port, transport)
    const nextPosition = yield* follow(connection)
    yield* Console.log(yield* ask(connection, "time1", "Kiel"))
    yield* Console.log(yield* nextPosition)
    yield* Console.log(yield* ask(connection, "hello"))
  })
)

NodeRuntime.runMain(program)
