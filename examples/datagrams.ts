/** Sends sensor readings as unreliable datagrams and the final report on a unidirectional stream. */
import { NodeRuntime } from "@effect/platform-node"
import { Console, Effect, Stream } from "effect"
import type { QuicConnection } from "../src/index.ts"
import { connect, listen, onLoopback } from "./loopback.ts"

const transport = { maxDatagramFrameBytes: 1200 }

/** Sends readings until the peer opens a stream, then reports how many it sent. */
const sensor = Effect.fnUntraced(function* (connection: QuicConnection) {
  let readings = 0
  const measure = Effect.suspend(() => connection.sendDatagram(Uint8Array.of(readings++)))
  const stopped = Effect.asVoid(Effect.scoped(connection.acceptUni))
  yield* Effect.raceFirst(Effect.forever(Effect.andThen(measure, Effect.sleep(1))), stopped)
  const report = yield* connection.openUni
  yield* Stream.run(Stream.encodeText(Stream.make(`${readings} readings sent`)), report.writable)
  yield* report.finished
}, Effect.scoped)

const program = onLoopback((identity) =>
  Effect.gen(function* () {
    const port = yield* listen(identity, sensor, transport)
    const connection = yield* connect(port, transport)
    for (let i = 0; i < 20; i++) yield* connection.receiveDatagram
    yield* Console.log("20 readings received")

    const stop = yield* connection.openUni
    yield* stop.finish
    const report = yield* connection.acceptUni
    yield* Console.log(yield* Stream.mkString(Stream.decodeText(report.readable)))
  })
)

NodeRuntime.runMain(program)
