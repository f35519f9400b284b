/** The client changes its address and the connection migrates with it, which its trace shows. RFC 9000 §9 */
import { NodeRuntime } from "@effect/platform-node"
import { Console, Effect, Fiber, Stream } from "effect"
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
    const trace = yield* connection.migrations.pipe(
      Stream.map(({ number, _tag, reason, outcome }) => `${number} ${_tag} ${reason} ${outcome}`),
      Stream.runForEach(Console.log),
      Effect.forkScoped
    )
    yield* connection.migrate({ host: "127.0.0.1" })
    const away = yield* Effect.repeat(whereAmI, { until: (port) => port !== home })
    const [{ local, state }] = connection.paths
    yield* Console.log(`moved: ${away !== home && away === local.port}, and ${state}`)
    yield* connection.close()
    yield* Fiber.join(trace)
  })
)

NodeRuntime.runMain(program)
