/** A returning client sends data in its first flight (0-RTT) and gets the response one round trip sooner. */
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

    // the endpoint keeps tickets in memory; provide your own TicketStore to persist them
    const client = yield* QuicEndpoint.make({ host: "127.0.0.1" })
    const visit = Effect.gen(function* () {
      const connection = yield* client.connect({ host: "localhost", port, alpn, earlyData: true })
      const stream = yield* connection.openBidi
      // 0-RTT data can be replayed by an attacker: send only idempotent requests
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
