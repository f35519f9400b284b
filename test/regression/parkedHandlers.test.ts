/** What a stream costs while its handler waits for more. */
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as Scope from "effect/Scope"
import { setFlagsFromString } from "node:v8"
import { runInNewContext } from "node:vm"
import { expect } from "vitest"
import type { QuicConnection, QuicStream } from "../../src/index.ts"
import { endpoints } from "../api/pair.ts"
import { simulated, type World } from "../api/World.ts"

setFlagsFromString("--expose-gc")
const gc = runInNewContext("gc") as () => void

const usedBytes = (): number => {
  gc()
  const { heapUsed, external } = process.memoryUsage()
  return heapUsed + external
}

/** A server that runs `handler` for each stream, and a client of it. */
const served = Effect.fnUntraced(function* <E>(
  world: World,
  handler: (stream: QuicStream) => Effect.Effect<void, E, Scope.Scope>
) {
  const both = yield* endpoints(world, { server: { transport: { maxBidirectionalStreams: 100_000 } } })
  yield* Effect.forkScoped(both.server.serveStreams(handler))
  return { ...both, near: yield* both.client.connect(both.connectOptions) }
})

const openMany = (connection: QuicConnection, count: number) =>
  Effect.forEach(
    Array.from({ length: count }),
    () => Effect.flatMap(connection.openBidi, (stream) => stream.write(Uint8Array.of(1))),
    { discard: true }
  )

simulated.it("a stream with a waiting handler takes less than 3.5 kB, both ends included", (world) =>
  Effect.gen(function* () {
    const count = 4_000
    const handler = (stream: QuicStream) => Effect.flatMap(stream.read(), () => Effect.asVoid(stream.read()))
    const { near, server } = yield* served(world, handler)
    yield* openMany(near, 100)
    yield* Effect.sleep(2_000)
    const before = { bytes: usedBytes(), fibers: (yield* server.tree).fibers }
    yield* openMany(near, count)
    yield* Effect.sleep(2_000)
    expect((yield* server.tree).fibers - before.fibers).toBe(count)
    expect((usedBytes() - before.bytes) / count).toBeLessThan(3_500)
  })
)

simulated.it(
  "a handler's scope is closed before its stream is ended, and a finalizer that dies resets it",
  (world) =>
    Effect.gen(function* () {
      const handler = (stream: QuicStream) =>
        Effect.gen(function* () {
          const isBad = (yield* stream.read())![0] === 1
          // what a finalizer writes still belongs to the stream
          yield* Effect.addFinalizer((exit) =>
            Exit.isSuccess(exit) ? Effect.ignore(stream.write(Uint8Array.of(7))) : Effect.void
          )
          if (isBad) yield* Effect.addFinalizer(() => Effect.die("broken"))
        })
      const { near, server } = yield* served(world, handler)
      const answer = Effect.fnUntraced(function* (byte: number) {
        const stream = yield* near.openBidi
        yield* stream.write(Uint8Array.of(byte))
        const first = yield* Effect.flip(stream.read()).pipe(Effect.option)
        return first._tag === "Some" ? first.value.reason._tag : "read"
      })
      expect(yield* answer(0)).toBe("read")
      expect(yield* answer(1)).toBe("StreamReset")
      yield* Effect.sleep(1_000)
      expect((yield* server.tree).connections).toMatchObject([{}])
    })
)
