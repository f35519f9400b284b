/** A client that stays connected to a server across restarts, and logs the state changes. */
import { NodeRuntime } from "@effect/platform-node"
import { Console, Effect, Exit, Fiber, Schedule, Scope, Stream } from "effect"
import { FiberTree, QuicEndpoint } from "../src/index.ts"
import { alpn, onLoopback } from "./loopback.ts"

const program = onLoopback((identity) =>
  Effect.gen(function* () {
    const all = yield* Effect.scope
    /** Serves until the returned scope is closed, or the program ends. */
    const startServer = (port: number) =>
      Effect.gen(function* () {
        const scope = yield* Scope.fork(all)
        const server = yield* Scope.provide(
          QuicEndpoint.make({ host: "127.0.0.1", port, server: { alpn, identity } }),
          scope
        )
        const echo = server.serveStreams((stream) => Stream.run(stream.readable, stream.writable))
        yield* Effect.forkIn(Effect.ignore(echo), scope)
        return { port: server.localAddress.port, scope }
      })
    const { port, scope } = yield* startServer(0)

    const endpoint = yield* QuicEndpoint.make({ host: "127.0.0.1" })
    const peer = yield* endpoint.peer({
      name: "echo",
      host: "localhost",
      port,
      alpn,
      restart: "eager",
      schedule: Schedule.spaced("50 millis")
    })
    const states = yield* Effect.forkScoped(Stream.runCollect(Stream.map(peer.changes, ({ _tag }) => _tag)))

    const ask = (question: string) =>
      peer.use((connection) =>
        Effect.gen(function* () {
          const stream = yield* connection.openBidi
          yield* Stream.run(Stream.encodeText(Stream.make(question)), stream.writable)
          return yield* Stream.mkString(Stream.decodeText(stream.readable))
        }).pipe(Effect.scoped)
      )

    yield* Console.log(yield* ask("there?"))
    yield* Console.log(FiberTree.print(yield* endpoint.tree))
    yield* Scope.close(scope, Exit.void)
    yield* Effect.forkScoped(Effect.delay(startServer(port), "200 millis"))
    // waits for the next connection
    yield* Effect.sleep("100 millis")
    yield* Console.log(yield* ask("there again?"))
    yield* peer.close()
    const seen = [...new Set(yield* Fiber.join(states))]
    yield* Console.log(`it was ${seen.join(", ")}`)
  })
)

NodeRuntime.runMain(program)
