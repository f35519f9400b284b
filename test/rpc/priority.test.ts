/** `priorityOf`: calls that are sent before others. */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import * as Rpc from "effect/rpc/Rpc"
import * as RpcClient from "effect/rpc/RpcClient"
import * as RpcGroup from "effect/rpc/RpcGroup"
import * as RpcServer from "effect/rpc/RpcServer"
import { expect } from "vitest"
import { QuicRpc } from "../../src/index.ts"
import { endpoints } from "../api/pair.ts"
import { simulated, type World } from "../api/World.ts"

const Calls = RpcGroup.make(
  Rpc.make("Ping", { payload: { text: Schema.String }, success: Schema.String }),
  Rpc.make("Store", { payload: { text: Schema.String }, success: Schema.Void }),
  Rpc.make("Load", { success: Schema.String })
)

const BULK = "x".repeat(500_000)

const handlers = Calls.toLayer({
  Ping: ({ text }) => Effect.succeed(text),
  Store: () => Effect.void,
  Load: () => Effect.succeed(BULK)
})

/** How long a ping of 30 kB takes while many calls of 500 kB are under way, over 20 Mbit/s and 20 ms. */
const pingAmong = Effect.fnUntraced(function* (
  world: World,
  tag: "Store" | "Load",
  priorityOf?: (tag: string) => number
) {
  const { server, client, connectOptions } = yield* endpoints(world)
  const options = priorityOf && { priorityOf }
  yield* RpcServer.layer(Calls).pipe(
    Layer.provide(handlers),
    Layer.provide(QuicRpc.layerServer({ endpoint: server, ...options })),
    Layer.build
  )
  const connection = yield* client.connect(connectOptions)
  const protocol = yield* Layer.build(QuicRpc.layerClient({ connection, ...options }))
  const calls = yield* Effect.provideContext(RpcClient.make(Calls), protocol)
  world.cable!.set({ bitsPerSecond: 20e6 })
  const bulk = tag === "Store" ? calls.Store({ text: BULK }) : calls.Load()
  yield* Effect.forEach(Array.from({ length: 20 }), () => Effect.forkScoped(bulk))
  yield* Effect.sleep("500 millis")
  const text = "x".repeat(30_000)
  const before = yield* Clock.currentTimeMillis
  expect(yield* calls.Ping({ text })).toBe(text)
  return (yield* Clock.currentTimeMillis) - before
})

const pingsFirst = (tag: string) => (tag === "Ping" ? 1 : 0)

for (const tag of ["Store", "Load"] as const)
  simulated.it(`C9: calls of a higher priority overtake others: ${tag}`, (world) =>
    Effect.gen(function* () {
      const ahead = yield* Effect.scoped(pingAmong(world, tag, pingsFirst))
      world.cable!.set({ bitsPerSecond: Number.POSITIVE_INFINITY })
      const inTurn = yield* Effect.scoped(pingAmong(world, tag))
      expect(ahead).toBeLessThan(inTurn / 2)
    })
  )
