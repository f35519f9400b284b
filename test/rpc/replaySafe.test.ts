/** What travels in the first flight. The hosts are 10 ms apart, so a round trip takes 20 ms. */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import * as Rpc from "effect/rpc/Rpc"
import * as RpcClient from "effect/rpc/RpcClient"
import * as RpcGroup from "effect/rpc/RpcGroup"
import * as RpcServer from "effect/rpc/RpcServer"
import { describe, expect } from "vitest"
import { QuicRpc } from "../../src/index.ts"
import { endpoints } from "../api/pair.ts"
import { simulated, type World } from "../api/World.ts"

const balance = Rpc.make("Balance", { success: Schema.Number })
const Accounts = RpcGroup.make(
  balance.annotate(QuicRpc.ReplaySafe, true),
  Rpc.make("Withdraw", { success: Schema.Number })
)
/** As a client would have it that does not keep to the rules. */
const Careless = Accounts.annotateRpcs(QuicRpc.ReplaySafe, true).add(
  Rpc.make("Withdraw", { success: Schema.Number }).annotate(QuicRpc.ReplaySafe, true)
)

const bank = Effect.fnUntraced(function* (world: World, served: { readonly group?: RpcGroup.Any }) {
  const { server, client, connectOptions } = yield* endpoints(world, { server: { earlyData: true } })
  yield* RpcServer.layer(Accounts).pipe(
    Layer.provide(Accounts.toLayer({ Balance: () => Effect.succeed(7), Withdraw: () => Effect.succeed(8) })),
    Layer.provide(QuicRpc.layerServer({ endpoint: server, ...served })),
    Layer.build
  )
  const first = yield* client.connect(connectOptions)
  yield* Effect.sleep(100)
  yield* first.close()
  /** How long the call takes from nothing but a ticket. */
  const timed = Effect.fnUntraced(function* (
    call: "Balance" | "Withdraw",
    options: { readonly group?: RpcGroup.Any },
    over: "connection" | "peer" = "connection"
  ) {
    const before = yield* Clock.currentTimeMillis
    const connection =
      over === "peer"
        ? yield* client.peer({ ...connectOptions, name: `${before}` })
        : yield* client.connect({ ...connectOptions, earlyData: true })
    const context = yield* Layer.build(QuicRpc.layerClient({ connection, ...options }))
    const calls = yield* Effect.provideContext(RpcClient.make(Accounts), context)
    expect(yield* calls[call]()).toBe(call === "Balance" ? 7 : 8)
    const took = (yield* Clock.currentTimeMillis) - before
    // for the next ticket
    yield* Effect.sleep(100)
    return took
  }, Effect.scoped)
  return timed
})

const expectRoundTrips = (took: number, roundTrips: number): void => {
  expect(took).toBeGreaterThanOrEqual(20 * roundTrips)
  expect(took).toBeLessThan(20 * roundTrips + 15)
}

describe("C5: replay-safe calls", () => {
  const group = Accounts

  simulated.it("a call that is marked goes in the first flight, over a peer and over a connection", (world) =>
    Effect.gen(function* () {
      const timed = yield* bank(world, { group })
      expectRoundTrips(yield* timed("Balance", { group }), 1)
      expectRoundTrips(yield* timed("Balance", { group }, "peer"), 1)
    })
  )

  simulated.it("a call that is not marked waits for the handshake, whatever carries it", (world) =>
    Effect.gen(function* () {
      const timed = yield* bank(world, { group })
      expectRoundTrips(yield* timed("Withdraw", { group }), 2)
      expectRoundTrips(yield* timed("Withdraw", { group }, "peer"), 2)
      expectRoundTrips(yield* timed("Balance", {}), 2)
    })
  )

  simulated.it(
    "a server lets a call wait that is not marked there, though its client has sent it early",
    (world) =>
      Effect.gen(function* () {
        const timed = yield* bank(world, { group })
        expectRoundTrips(yield* timed("Withdraw", { group: Careless }), 2)
        expectRoundTrips(yield* timed("Balance", { group: Careless }), 1)
      })
  )

  simulated.it("a server without the group lets all calls wait", (world) =>
    Effect.gen(function* () {
      const timed = yield* bank(world, {})
      expectRoundTrips(yield* timed("Balance", { group }), 2)
    })
  )
})
