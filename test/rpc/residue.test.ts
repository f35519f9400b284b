/** What is left of calls when they are over. */
import * as Context from "effect/Context"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Queue from "effect/Queue"
import * as Stream from "effect/Stream"
import type { FromClientEncoded } from "effect/rpc/RpcMessage"
import * as RpcServer from "effect/rpc/RpcServer"
import { describe, expect } from "vitest"
import { QuicRpc } from "../../src/index.ts"
import { endpoints, quietly } from "../api/pair.ts"
import { simulated, type World } from "../api/World.ts"
import { library } from "./suiteService.ts"

const served = Effect.fnUntraced(function* (world: World) {
  const both = yield* endpoints(world)
  const protocol = Context.get(
    yield* Layer.build(QuicRpc.layerServer({ endpoint: both.server })),
    RpcServer.Protocol
  )
  const connection = yield* both.client.connect(both.connectOptions)
  return { ...both, connection, protocol }
})

/** Every one of the ways in which a call ends. */
const everyEnd = ({ calls, seen }: Effect.Success<ReturnType<typeof library>>) =>
  Effect.gen(function* () {
    yield* calls.Get({ id: "1" })
    yield* Effect.flip(calls.Get({ id: "0" }))
    yield* Effect.exit(calls.Burn())
    yield* Stream.runDrain(calls.Pages({ bytes: 10, count: 50 }))
    yield* Stream.runDrain(Stream.take(calls.Pages({ bytes: 10_000, count: 100_000 }), 5))
    yield* calls.Get({ id: "x".repeat(2_000_000) })
    yield* calls.Return({ id: "1" }, { discard: true })
    yield* Deferred.succeed(seen.mayReturn, undefined)
    const waiting = yield* Effect.forkScoped(calls.Wait())
    yield* Deferred.await(seen.waiting)
    yield* Fiber.interrupt(waiting)
    for (let millis = 0; millis <= 45; millis += 5)
      yield* Effect.timeoutOption(calls.Get({ id: "1" }), millis)
  })

describe("C9: when calls are over", () => {
  simulated.it("neither side has a stream, a handler or an entry of them", (world) =>
    Effect.gen(function* () {
      const { client, connection, protocol, server } = yield* served(world)
      const started = yield* library({
        server: Layer.succeed(RpcServer.Protocol, protocol),
        client: QuicRpc.layerClient({ connection })
      })
      yield* everyEnd(started)
      yield* Effect.sleep("1 second")
      expect(yield* protocol.clientIds).toEqual(new Set())
      for (const endpoint of [client, server]) {
        const { connections, peers } = yield* endpoint.tree
        expect(peers).toEqual([])
        expect(connections.flatMap(({ streams }) => streams)).toEqual([])
      }
    }).pipe(quietly)
  )

  simulated.it(
    "the server is told to forget a call that it is told to interrupt, as it may have ended just then",
    (world) =>
      Effect.gen(function* () {
        const { connection, protocol } = yield* served(world)
        const messages: Array<FromClientEncoded["_tag"]> = []
        yield* Effect.forkScoped(
          protocol.run((clientId, message) => {
            messages.push(message._tag)
            return message._tag === "Interrupt" ? protocol.end(clientId) : Effect.void
          })
        )
        // the library's own server has nothing to do
        const idle = { ...protocol, run: () => Effect.never, disconnects: yield* Queue.make<number>() }
        const { calls } = yield* library({
          server: Layer.succeed(RpcServer.Protocol, idle),
          client: QuicRpc.layerClient({ connection })
        })
        yield* Effect.timeoutOption(calls.Wait(), 100)
        expect(yield* Queue.take(protocol.disconnects)).toBe(0)
        expect(messages).toEqual(["Request", "Eof", "Interrupt"])
      }).pipe(quietly)
  )
})
