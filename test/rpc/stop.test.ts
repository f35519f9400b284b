/** A server that stops, and what is still under way. */
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import * as Scope from "effect/Scope"
import * as Rpc from "effect/rpc/Rpc"
import * as RpcClient from "effect/rpc/RpcClient"
import * as RpcGroup from "effect/rpc/RpcGroup"
import * as RpcServer from "effect/rpc/RpcServer"
import { describe, expect } from "vitest"
import { QuicRpc } from "../../src/index.ts"
import { endpoints, pair, quietly, text } from "../api/pair.ts"
import { simulated, type World } from "../api/World.ts"

const Texts = RpcGroup.make(Rpc.make("Fill", { payload: { bytes: Schema.Number }, success: Schema.String }))

const service = Effect.fnUntraced(function* (world: World) {
  const { server, client, connectOptions } = yield* endpoints(world)
  const filled = yield* Deferred.make<void>()
  const handlers = Texts.toLayer({
    Fill: ({ bytes }) => Effect.as(Deferred.succeed(filled, undefined), "x".repeat(bytes))
  })
  const scope = yield* Scope.fork(yield* Effect.scope)
  yield* RpcServer.layer(Texts).pipe(
    Layer.provide([handlers, QuicRpc.layerServer({ endpoint: server })]),
    Layer.buildWithScope(scope)
  )
  const connection = yield* client.connect(connectOptions)
  const context = yield* Layer.build(QuicRpc.layerClient({ connection }))
  const calls = yield* Effect.provideContext(RpcClient.make(Texts), context)
  return { calls, connection, filled, stop: Scope.close(scope, Exit.void) }
})

describe("C9: a server that stops", () => {
  simulated.it("delivers the replies of handlers that are done, then refuses", (world) =>
    Effect.gen(function* () {
      const { calls, filled, stop } = yield* service(world)
      // 2 MB take 1.6 s
      world.cable!.set({ bitsPerSecond: 10_000_000 })
      const call = yield* Effect.forkScoped(calls.Fill({ bytes: 2_000_000 }))
      yield* Deferred.await(filled)
      yield* Effect.sleep(100)
      yield* stop
      expect((yield* Fiber.join(call)).length).toBe(2_000_000)
      expect((yield* Effect.flip(calls.Fill({ bytes: 1 })))._tag).toBe("RpcClientError")
    }).pipe(quietly)
  )

  simulated.it("refuses calls over connections that it was attached to, which stay as they are", (world) =>
    Effect.gen(function* () {
      const { far, near } = yield* pair(world)
      const scope = yield* Scope.fork(yield* Effect.scope)
      const served = RpcServer.layer(Texts).pipe(
        Layer.provide(Texts.toLayer({ Fill: ({ bytes }) => Effect.succeed("x".repeat(bytes)) })),
        Layer.provideMerge(QuicRpc.layerAttached())
      )
      const calling = Context.get(yield* Layer.buildWithScope(served, scope), QuicRpc.CallServer)
      yield* calling.attach(far)
      const context = yield* Layer.build(QuicRpc.layerClient({ connection: near }))
      const calls = yield* Effect.provideContext(RpcClient.make(Texts), context)
      expect(yield* calls.Fill({ bytes: 1 })).toBe("x")
      yield* Scope.close(scope, Exit.void)
      expect((yield* Effect.flip(calls.Fill({ bytes: 1 }))).reason).toMatchObject({
        cause: { reason: { _tag: "StreamReset", code: QuicRpc.rpcErrorCodes.cancelled } }
      })
      yield* near.ping
    }).pipe(quietly)
  )

  simulated.it(
    "waits 3 seconds for a caller that does not send the rest of its request, and no longer",
    (world) =>
      Effect.gen(function* () {
        const { connection, stop } = yield* service(world)
        const stream = yield* connection.openBidi
        yield* stream.writeAll([QuicRpc.callPreamble, text("12")])
        yield* Effect.sleep(100)
        const before = yield* Clock.currentTimeMillis
        yield* stop
        const took = (yield* Clock.currentTimeMillis) - before
        expect(took).toBeGreaterThanOrEqual(3_000)
        expect(took).toBeLessThan(3_100)
      }).pipe(quietly)
  )
})
