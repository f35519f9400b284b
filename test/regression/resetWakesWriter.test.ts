/** `reset` by one fiber left another waiting in `write` or `finished` until the peer had acknowledged the reset. */
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import { expect } from "vitest"
import { pair } from "../api/pair.ts"
import { simulated } from "../api/World.ts"

simulated.it("a reset ends the waiting of whoever writes, though the peer cannot be reached", (world) =>
  Effect.gen(function* () {
    const { near } = yield* pair(world)
    const stream = yield* near.openUni
    yield* stream.write(new Uint8Array(5_000_000))
    expect(stream.unacknowledgedBytes).toBeGreaterThan(1_000_000)
    const writer = yield* Effect.forkScoped(Effect.flip(stream.write(new Uint8Array(1))))
    const waiter = yield* Effect.forkScoped(Effect.flip(stream.finished))
    world.cable!.set({ lossRate: 1 })
    yield* Effect.sleep(100)
    expect([writer.pollUnsafe(), waiter.pollUnsafe()]).toEqual([undefined, undefined])
    yield* stream.reset(7)
    yield* Effect.sleep(1)
    expect([writer.pollUnsafe(), waiter.pollUnsafe()]).not.toContain(undefined)
    expect((yield* Fiber.join(writer)).reason).toMatchObject({ _tag: "StreamClosed", streamId: stream.id })
    expect(stream.unacknowledgedBytes).toBe(0)
  })
)
