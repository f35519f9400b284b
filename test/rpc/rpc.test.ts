/** Effect RPC over QUIC, live and in the simulator. */
import * as Cause from "effect/Cause"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import * as Rpc from "effect/rpc/Rpc"
import * as RpcClient from "effect/rpc/RpcClient"
import * as RpcGroup from "effect/rpc/RpcGroup"
import * as RpcSerialization from "effect/rpc/RpcSerialization"
import * as RpcServer from "effect/rpc/RpcServer"
import { describe, expect } from "vitest"
import { type Peer, type QuicConnection, QuicRpc } from "../../src/index.ts"
import { endpoints, quietly, reasonOf } from "../api/pair.ts"
import { live, simulated, type World } from "../api/World.ts"

const Calls = RpcGroup.make(
  Rpc.make("Greet", { payload: { name: Schema.String }, success: Schema.String, error: Schema.String }),
  Rpc.make("Caller", { success: Schema.String }),
  Rpc.make("Count", { payload: { to: Schema.Number }, success: Schema.Number, stream: true }),
  Rpc.make("Never", { success: Schema.Void }),
  Rpc.make("Die", { success: Schema.Void })
)

const serialization = { binary: RpcSerialization.layerSchemaBinary(), json: RpcSerialization.layerJson }

const service = Effect.fnUntraced(function* (
  world: World,
  by: keyof typeof serialization = "binary",
  maxFrameBytes?: number
) {
  const { server, client, connectOptions } = yield* endpoints(world)
  const started = yield* Deferred.make<void>()
  const interrupted = yield* Deferred.make<void>()
  let produced = 0
  const handlers = Calls.toLayer({
    Greet: ({ name }) => (name === "" ? Effect.fail("who?") : Effect.succeed(`hello, ${name}`)),
    Caller: () => Effect.map(QuicRpc.QuicPeer, (caller) => caller?.address.host ?? "nobody"),
    Count: ({ to }) =>
      Stream.range(1, to).pipe(
        Stream.rechunk(1),
        Stream.tap(() => Effect.sync(() => produced++))
      ),
    Never: () =>
      Effect.andThen(Deferred.succeed(started, undefined), Effect.never).pipe(
        Effect.onInterrupt(() => Deferred.succeed(interrupted, undefined))
      ),
    Die: () => Effect.die("boom")
  })
  yield* RpcServer.layer(Calls).pipe(
    Layer.provide(handlers),
    Layer.provide(QuicRpc.layerServer({ endpoint: server, ...(maxFrameBytes && { maxFrameBytes }) })),
    Layer.provide(serialization[by]),
    Layer.build
  )
  const connection = yield* client.connect(connectOptions)
  const callsOf = Effect.fnUntraced(function* (over: QuicConnection | Peer) {
    const context = yield* QuicRpc.layerClient({ connection: over }).pipe(
      Layer.provide(serialization[by]),
      Layer.build
    )
    return yield* Effect.provideContext(RpcClient.make(Calls), context)
  })
  const calls = yield* callsOf(connection)
  return {
    calls,
    callsOf,
    client,
    connectOptions,
    connection,
    started,
    interrupted,
    produced: () => produced
  }
})

describe.each([live, simulated])("RPC over QUIC, $name", (universe) => {
  universe.it("a call returns its result, and a failure its error", (world) =>
    Effect.gen(function* () {
      const { calls } = yield* service(world)
      expect(yield* calls.Greet({ name: "QUIC" })).toBe("hello, QUIC")
      expect(yield* Effect.flip(calls.Greet({ name: "" }))).toBe("who?")
    })
  )

  universe.it("any serialization will do, and frames larger than the send buffer", (world) =>
    Effect.gen(function* () {
      const { calls } = yield* service(world, "json")
      const name = "x".repeat(3_000_000)
      expect(yield* calls.Greet({ name })).toBe(`hello, ${name}`)
    })
  )

  universe.it("a handler knows from the transport who calls", (world) =>
    Effect.gen(function* () {
      const { calls } = yield* service(world)
      expect(yield* calls.Caller()).toBe(world.client.host)
    })
  )

  universe.it("a stream arrives whole, and one taken in part is produced in part", (world) =>
    Effect.gen(function* () {
      const { calls, produced } = yield* service(world)
      expect(yield* Stream.runCollect(calls.Count({ to: 100 }))).toHaveLength(100)
      const before = produced()
      expect(yield* Stream.runCollect(Stream.take(calls.Count({ to: 1_000_000 }), 3))).toEqual([1, 2, 3])
      expect(produced() - before).toBeLessThan(1_000_000)
    })
  )

  universe.it("an interrupted call interrupts its handler, and no other call", (world) =>
    Effect.gen(function* () {
      const { calls, started, interrupted } = yield* service(world)
      const fiber = yield* Effect.forkScoped(calls.Never())
      yield* Deferred.await(started)
      yield* Fiber.interrupt(fiber)
      yield* Deferred.await(interrupted)
      expect(yield* calls.Greet({ name: "you" })).toBe("hello, you")
    })
  )

  universe.it("a defect ends its own call only", (world) =>
    Effect.gen(function* () {
      const { calls, started } = yield* service(world)
      const other = yield* Effect.forkScoped(calls.Never())
      yield* Deferred.await(started)
      const exit = yield* Effect.exit(calls.Die())
      expect(Exit.isFailure(exit) && Cause.squash(exit.cause)).toBe("boom")
      expect(yield* calls.Greet({ name: "you" })).toBe("hello, you")
      expect(other.pollUnsafe()).toBe(undefined)
    }).pipe(quietly)
  )

  universe.it("a slow consumer of a stream delays no other call", (world) =>
    Effect.gen(function* () {
      const { calls } = yield* service(world)
      const begun = yield* Deferred.make<void>()
      yield* calls.Count({ to: 1_000_000 }).pipe(
        Stream.runForEach(() => Effect.andThen(Deferred.succeed(begun, undefined), Effect.never)),
        Effect.forkScoped
      )
      yield* Deferred.await(begun)
      expect(yield* calls.Greet({ name: "you" })).toBe("hello, you")
    })
  )

  universe.it("a call fails when its connection is lost", (world) =>
    Effect.gen(function* () {
      const { calls, connection, started } = yield* service(world)
      const call = yield* Effect.forkScoped(Effect.flip(calls.Never()))
      yield* Deferred.await(started)
      yield* connection.closeNow()
      expect((yield* Fiber.join(call)).reason._tag).toBe("SocketReadError")
      expect((yield* Effect.flip(calls.Never())).reason._tag).toBe("SocketOpenError")
    })
  )

  universe.it("bad input resets its own stream with a documented code", (world) =>
    Effect.gen(function* () {
      const { calls, connection } = yield* service(world, "binary", 1000)
      const codeFor = (bytes: ReadonlyArray<number>, finish = false) =>
        reasonOf(
          Effect.gen(function* () {
            const stream = yield* connection.openBidi
            yield* stream.writeAll([QuicRpc.callPreamble, Uint8Array.from(bytes)])
            if (finish) yield* stream.finish
            return yield* stream.read()
          })
        )
      const { badFrame, frameTooLarge } = QuicRpc.rpcErrorCodes
      expect(yield* codeFor([0, 0, 3, 233])).toMatchObject({ _tag: "StreamReset", code: frameTooLarge })
      expect(yield* codeFor([0, 0, 0, 9, 1], true)).toMatchObject({ _tag: "StreamReset", code: badFrame })
      expect(yield* codeFor([0, 0, 0, 2, 255, 255])).toMatchObject({ _tag: "StreamReset", code: badFrame })
      expect(yield* calls.Greet({ name: "you" })).toBe("hello, you")
    }).pipe(quietly)
  )
})

describe("RPC over QUIC on a bad network", () => {
  simulated.it("a call is one packet each way, and calls at once share packets", (world) =>
    Effect.gen(function* () {
      const { calls, connection } = yield* service(world)
      const packetsFor = Effect.fnUntraced(function* (count: number, concurrency: number) {
        const before = connection.stats.packetsSent
        yield* Effect.forEach(Array.from({ length: count }), () => calls.Caller(), { concurrency })
        return connection.stats.packetsSent - before
      })
      // and an ACK alone now and then
      expect(yield* packetsFor(100, 1)).toBeLessThan(125)
      expect(yield* packetsFor(1_000, 50)).toBeLessThan(125)
    })
  )

  simulated.it("nearly as many calls at once as streams are allowed wait for no acknowledgments", (world) =>
    Effect.gen(function* () {
      const { calls } = yield* service(world)
      const times = yield* Effect.forEach(
        Array.from({ length: 1_000 }),
        () => Effect.map(Effect.timed(calls.Caller()), ([duration]) => Duration.toMillis(duration)),
        { concurrency: 90 }
      )
      // a round trip takes 20
      expect(Math.max(...times)).toBeLessThan(35)
    })
  )

  simulated.it("calls and streams are complete at 5 % loss", (world) =>
    Effect.gen(function* () {
      const { calls } = yield* service(world)
      world.cable!.set({ lossRate: 0.05 })
      const [greetings, counted] = yield* Effect.all(
        [
          Effect.forEach(Array.from({ length: 50 }), (_, i) => calls.Greet({ name: `${i}` }), {
            concurrency: "unbounded"
          }),
          Stream.runCollect(calls.Count({ to: 1000 }))
        ],
        { concurrency: "unbounded" }
      )
      expect(greetings).toEqual(Array.from({ length: 50 }, (_, i) => `hello, ${i}`))
      expect(counted).toEqual(Array.from({ length: 1000 }, (_, i) => i + 1))
    })
  )

  simulated.it(
    "a stream that nobody takes is not produced for ever: flow control holds its writer",
    (world) =>
      Effect.gen(function* () {
        const { calls, produced } = yield* service(world)
        yield* calls.Count({ to: 10_000_000 }).pipe(
          Stream.runForEach(() => Effect.never),
          Effect.forkScoped
        )
        yield* Effect.sleep("5 seconds")
        const before = produced()
        expect(before).toBeGreaterThan(16)
        yield* Effect.sleep("5 seconds")
        expect(produced()).toBe(before)
      })
  )

  simulated.it(
    "a partition ends the calls in flight, and a peer's next call waits for the next connection",
    (world) =>
      Effect.gen(function* () {
        const { callsOf, client, connectOptions, started } = yield* service(world)
        const peer = yield* client.peer({ ...connectOptions, transport: { maxIdleTimeout: 2000 } })
        const calls = yield* callsOf(peer)
        const lost = yield* Effect.forkScoped(Effect.flip(calls.Never()))
        yield* Deferred.await(started)
        world.cable!.set({ lossRate: 1 })
        const failure = yield* Fiber.join(lost)
        expect(failure.reason).toMatchObject({
          _tag: "SocketReadError",
          cause: { reason: { _tag: "IdleTimeout" } }
        })
        const next = yield* Effect.forkScoped(calls.Greet({ name: "you" }))
        yield* Effect.sleep("1 second")
        expect(next.pollUnsafe()).toBe(undefined)
        world.cable!.set({ lossRate: 0 })
        expect(yield* Fiber.join(next)).toBe("hello, you")
      }).pipe(quietly)
  )
})
