/** A client that comes back says its first words in its first packet (0-RTT), and is answered one round trip sooner. */
import { NodeRuntime } from "@effect/platform-node"
import { Console, Effect, Stream } from "effect"
import { QuicEndpoint } from "../src/index.ts"
import { alpn, onLoopback } from "./loopback.ts"

const program = onLoopback((identity) =>
  Effect.gen(function* () {
    const server = yield* QuicEndpoint.make({
      host: "127.0.0.1",
      server: { alpn, identity, earlyData: true }
    })
    yield* Effect.forkScoped(server.serveStreams((stream) => Stream.run(stream.readable, stream.writable)))
    const { port } = server.localAddress

    // the endpoint remembers the servers it was at; a TicketStore of your own remembers them for longer
    const client = yield* QuicEndpoint.make({ host: "127.0.0.1" })
    const visit = Effect.gen(function* () {
      const connection = yield* client.connect({ host: "localhost", port, alpn, earlyData: true })
      const stream = yield* connection.openBidi
      // may be replayed by whoever records it: ask for nothing in it that must not be done twice
      yield* Stream.run(Stream.encodeText(Stream.make("hello")), stream.writable)
      yield* Stream.runDrain(stream.readable)
      const { earlyData, resumed } = yield* connection.handshakeComplete
      return `resumed: ${resumed}, early data: ${earlyData}`
    }).pipe(Effect.scoped)

    yield* Console.log(`first visit   ${yield* visit}`)
    yield* Console.log(`second visit  ${yield* visit}`)
  })
)

NodeRuntime.runMain(program)
