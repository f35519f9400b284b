/** The client changes its address and the connection migrates with it. RFC 9000 §9 */
import { NodeRuntime } from "@effect/platform-node"
import { Console, Effect, Stream } from "effect"
import { QuicEndpoint } from "../src/index.ts"
import { alpn, listen, onLoopback } from "./loopback.ts"

const program = onLoopback((identity) =>
  Effect.gen(function* () {
    const port = yield* listen(identity, (connection) =>
      connection.serveStreams((stream) => {
        const address = Stream.encodeText(Stream.make(`${connection.remoteAddress.port}`))
        return Effect.andThen(Stream.runDrain(stream.readable), Stream.run(address, stream.writable))
      })
    )
    const client = yield* QuicEndpoint.make({ host: "127.0.0.1" })
    const connection = yield* client.connect({ host: "localhost", port, alpn })

    /** The client's port as seen by the server. */
    const whereAmI = Effect.gen(function* () {
      const stream = yield* connection.openBidi
      yield* stream.finish
      return Number(yield* Stream.mkString(Stream.decodeText(stream.readable)))
    }).pipe(Effect.scoped)

    const home = yield* whereAmI
    yield* client.rebind({ host: "127.0.0.1", port: 0 })
    const away = yield* Effect.repeat(whereAmI, { until: (port) => port !== home })
    yield* Console.log(`moved: ${away !== home}, and still connected`)
  })
)

NodeRuntime.runMain(program)
