/**
 * An interrupt that falls where a fiber has to yield: once between the step that takes a stream, a connection or bytes and
 * the one that answers for it, and what had been taken was nobody's. Fibers yield after 2048 operations, so each operation
 * is started that far, less a few, into a fiber's turn.
 */
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import { expect } from "vitest"
import { endpoints, pair, text } from "../api/pair.ts"
import { simulated } from "../api/World.ts"

const spend = (operations: number): Effect.Effect<void> =>
  operations <= 0 ? Effect.void : Effect.suspend(() => spend(operations - 1))

/** Runs `operation` and interrupts it where it yields first; whether it succeeded all the same. */
const interruptedAt = <A, E>(operations: number, operation: Effect.Effect<A, E>) =>
  Effect.gen(function* () {
    const fiber = yield* Effect.forkChild(Effect.andThen(spend(operations), operation), {
      startImmediately: true
    })
    fiber.interruptUnsafe()
    return Exit.isSuccess(yield* Fiber.await(fiber))
  })

const places = Array.from({ length: 48 }, (_, i) => 2_004 + i)

simulated.it("a read that is interrupted takes nothing", (world) =>
  Effect.gen(function* () {
    const { near, far } = yield* pair(world)
    const a = yield* near.openBidi
    yield* a.write(text("x"))
    const b = yield* far.acceptBidi
    yield* b.read()
    for (const place of places) {
      yield* a.write(text("y"))
      yield* Effect.sleep(100)
      if (yield* interruptedAt(place, b.read())) continue
      const again = yield* Effect.timeoutOption(b.read(), 200)
      expect(again._tag, `after ${place} operations`).toBe("Some")
    }
  })
)

simulated.it("a stream that is being accepted is left, or ended", (world) =>
  Effect.gen(function* () {
    const { near, far } = yield* pair(world)
    for (const place of places) {
      const stream = yield* near.openUni
      yield* stream.write(text("y"))
      yield* Effect.sleep(100)
      if (yield* interruptedAt(place, Effect.scoped(far.acceptUni))) continue
      const again = yield* Effect.timeoutOption(Effect.scoped(far.acceptUni), 200)
      if (again._tag === "Some") continue
      yield* Effect.sleep(100)
      expect(Exit.isFailure(yield* Effect.exit(stream.write(text("z")))), `after ${place} operations`).toBe(
        true
      )
    }
  })
)

simulated.it("a connection that is being accepted is left, or closed", (world) =>
  Effect.gen(function* () {
    const { server, client, connectOptions } = yield* endpoints(world)
    for (const place of places) {
      const connection = yield* client.connect(connectOptions)
      yield* Effect.sleep(100)
      if (yield* interruptedAt(place, Effect.scoped(server.accept))) continue
      const again = yield* Effect.timeoutOption(Effect.scoped(server.accept), 200)
      if (again._tag === "Some") continue
      const end = yield* Effect.timeoutOption(connection.closed, 500)
      expect(end._tag, `after ${place} operations`).toBe("Some")
    }
  })
)

simulated.it("a connection that is being made is closed", (world) =>
  Effect.gen(function* () {
    const { server, client, connectOptions } = yield* endpoints(world)
    yield* Effect.forkChild(server.serve((connection) => Effect.asVoid(connection.closed)))
    // much happens before the first packet: names, options, tickets
    for (let place = 1_900; place < 2_052; place++) {
      yield* interruptedAt(place, Effect.scoped(client.connect(connectOptions)))
      yield* Effect.sleep(3_000)
      expect(yield* client.connectionCount, `after ${place} operations`).toBe(0)
    }
  })
)
