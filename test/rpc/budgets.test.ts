/** What a caller can make a server keep, and for how long. */
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import * as Rpc from "effect/rpc/Rpc"
import * as RpcClient from "effect/rpc/RpcClient"
import * as RpcGroup from "effect/rpc/RpcGroup"
import * as RpcServer from "effect/rpc/RpcServer"
import { expect, it } from "vitest"
import { type QuicConnection, QuicRpc } from "../../src/index.ts"
import { frameOf, readFrame } from "../../src/rpc/frames.ts"
import { serializationOf } from "../../src/rpc/serialization.ts"
import { endpoints, quietly, reasonOf } from "../api/pair.ts"
import { simulated, type World } from "../api/World.ts"

const MiB = 1024 * 1024
const Texts = RpcGroup.make(
  Rpc.make("Length", { payload: { text: Schema.String }, success: Schema.Number }),
  Rpc.make("Fill", { payload: { bytes: Schema.Number }, success: Schema.String })
)

const service = Effect.fnUntraced(function* (
  world: World,
  limits: Omit<QuicRpc.ServerProtocolOptions, "endpoint">
) {
  const { server, client, connectOptions } = yield* endpoints(world)
  yield* RpcServer.layer(Texts).pipe(
    Layer.provide(
      Texts.toLayer({
        Length: ({ text }) => Effect.succeed(text.length),
        Fill: ({ bytes }) => Effect.succeed("x".repeat(bytes))
      })
    ),
    Layer.provide(QuicRpc.layerServer({ endpoint: server, ...limits })),
    Layer.build
  )
  const connection = yield* client.connect(connectOptions)
  const callsOf = Effect.fnUntraced(function* (over: QuicConnection) {
    const context = yield* Layer.build(QuicRpc.layerClient({ connection: over }))
    return yield* Effect.provideContext(RpcClient.make(Texts), context)
  })
  /** Another client, which does nothing wrong. */
  const honest = yield* Effect.flatMap(client.connect(connectOptions), callsOf)
  return { connection, honest, calls: yield* callsOf(connection) }
})

const prefix = (length: number): Uint8Array => {
  const bytes = new Uint8Array(4)
  new DataView(bytes.buffer).setUint32(0, length)
  return bytes
}

/** Opens a call with `bytes`. */
const halfOpen = Effect.fnUntraced(function* (
  connection: QuicConnection,
  ...bytes: ReadonlyArray<Uint8Array>
) {
  const stream = yield* connection.openBidi
  yield* stream.writeAll([QuicRpc.callPreamble, ...bytes])
  return stream
})

/** The request of a call of `Fill`, as a client encodes it. */
const fillRequest = (bytes: number) =>
  Effect.scoped(
    Effect.gen(function* () {
      const { codecFor, makeUnsafe } = yield* serializationOf(MiB)
      const payload = Schema.encodeSync(codecFor(Schema.Struct({ bytes: Schema.Number })))({ bytes })
      const request = { _tag: "Request", id: 1, tag: "Fill", payload, headers: [] }
      return yield* frameOf(makeUnsafe().encode(request)!, MiB)
    })
  )

const { busy, requestTimeout } = QuicRpc.rpcErrorCodes

simulated.it(
  "a request that stops half-way is reset after its time, wherever it stops; other calls go on",
  (world) =>
    Effect.gen(function* () {
      const { calls, connection } = yield* service(world, { requestTimeout: 2000 })
      const parts = [[prefix(100).subarray(0, 1)], [prefix(100)], [prefix(100), new Uint8Array(99)]]
      const resets = yield* Effect.forkScoped(
        Effect.forEach(
          parts,
          (bytes) => reasonOf(Effect.flatMap(halfOpen(connection, ...bytes), (stream) => stream.read())),
          { concurrency: "unbounded" }
        )
      )
      yield* Effect.sleep(1900)
      expect(resets.pollUnsafe()).toBe(undefined)
      expect(yield* calls.Length({ text: "four" })).toBe(4)
      yield* Effect.sleep(800)
      expect(yield* Fiber.join(resets)).toMatchObject(
        parts.map(() => ({ _tag: "StreamReset", code: requestTimeout }))
      )
      expect(yield* calls.Length({ text: "four" })).toBe(4)
    }).pipe(quietly)
)

simulated.it("a byte now and then does not keep a request open, though a slow line does", (world) =>
  Effect.gen(function* () {
    const { calls, connection } = yield* service(world, { requestTimeout: 2000 })
    const trickle = yield* halfOpen(connection, prefix(MiB))
    const failure = yield* Effect.flip(
      Effect.forever(Effect.andThen(Effect.sleep(500), trickle.write(new Uint8Array(1))))
    )
    expect(failure.reason).toMatchObject({ _tag: "StreamStopped", code: requestTimeout })
    // 400 kB at 40 kB/s take 10 s
    world.cable!.set({ bitsPerSecond: 320_000 })
    expect(yield* calls.Length({ text: "x".repeat(400_000) })).toBe(400_000)
  }).pipe(quietly)
)

it("a prefix reserves nothing, and a request no more than twice what has arrived of it", async () => {
  let delivered = 0
  let reserved = 0
  const announced = prefix(16 * MiB)
  const stream = {
    read: (max: number) =>
      Effect.sync(() => {
        if (delivered === 0) return announced.subarray(0, (delivered = 4))
        if (delivered === 4) expect(reserved).toBe(0)
        else expect(reserved).toBeLessThanOrEqual(Math.max(4096, 2 * (delivered - 4)))
        const some = Math.min(max, 1000)
        delivered += some
        return new Uint8Array(some)
      })
  }
  const arrival = { received: () => {}, reserved: (bytes: number) => (reserved += bytes) }
  const frame = await Effect.runPromise(readFrame(stream as never, 16 * MiB, arrival))
  expect(frame!.length).toBe(16 * MiB)
})

simulated.it("half-open requests that hold too much are reset, those of the others are not", (world) =>
  Effect.gen(function* () {
    const { connection, honest } = yield* service(world, {
      maxHeldBytes: 2 * MiB,
      requestTimeout: 60_000
    })
    const half = new Uint8Array(200_000)
    const streams = yield* Effect.forEach(
      Array.from({ length: 20 }),
      () => halfOpen(connection, prefix(MiB), half),
      {
        concurrency: "unbounded"
      }
    )
    const slow = yield* Effect.forkScoped(honest.Length({ text: "x".repeat(300_000) }))
    yield* Effect.sleep("5 seconds")
    const ends = streams.map((stream) => Effect.timeoutOption(Effect.flip(stream.read()), 10))
    const reasons = (yield* Effect.all(ends)).flatMap((end) =>
      end._tag === "Some" ? [end.value.reason] : []
    )
    // each has room for 262,144 bytes
    expect(reasons).toHaveLength(20 - 7)
    expect(reasons).toMatchObject(reasons.map(() => ({ _tag: "StreamReset", code: busy })))
    expect(yield* Fiber.join(slow)).toBe(300_000)
  }).pipe(quietly)
)

simulated.it("replies to a peer that never reads are dropped once they hold too much", (world) =>
  Effect.gen(function* () {
    const { connection, honest } = yield* service(world, { maxHeldBytes: 16 * MiB })
    const request = yield* fillRequest(3_000_000)
    // flow control lets 2 MiB of them go, and then none
    const streams = yield* Effect.forEach(Array.from({ length: 40 }), () => halfOpen(connection, request))
    yield* Effect.sleep("5 seconds")
    const reasons = yield* Effect.forEach(
      streams,
      (stream) =>
        Effect.flip(Effect.andThen(stream.write(request), Effect.never)).pipe(Effect.timeoutOption(100)),
      { concurrency: "unbounded" }
    )
    const stopped = reasons.flatMap((end) => (end._tag === "Some" ? [end.value.reason] : []))
    expect(stopped.length).toBeGreaterThanOrEqual(40 - 6)
    expect(stopped).toMatchObject(stopped.map(() => ({ _tag: "StreamStopped" })))
    expect((yield* honest.Fill({ bytes: 3_000_000 })).length).toBe(3_000_000)
  }).pipe(quietly)
)

simulated.it(
  "a client has as many calls half open as the limit of streams allows, and its next ones wait",
  (world) =>
    Effect.gen(function* () {
      const { calls, connection, honest } = yield* service(world, { requestTimeout: 2000 })
      yield* Effect.forEach(Array.from({ length: 100 }), () => halfOpen(connection, prefix(1)))
      const next = yield* Effect.forkScoped(calls.Length({ text: "four" }))
      yield* Effect.sleep(1000)
      expect(next.pollUnsafe()).toBe(undefined)
      expect(yield* honest.Length({ text: "four" })).toBe(4)
      expect(yield* Fiber.join(next)).toBe(4)
    }).pipe(quietly)
)

simulated.it("a limit that is none names its field", (world) =>
  Effect.gen(function* () {
    const { server } = yield* endpoints(world)
    for (const [field, value] of [
      ["maxFrameBytes", 0],
      ["requestTimeout", 1],
      ["maxHeldBytes", Number.NaN]
    ] as const) {
      const exit = yield* Effect.exit(Layer.build(QuicRpc.layerServer({ endpoint: server, [field]: value })))
      expect(String(exit)).toContain(field)
    }
  })
)
