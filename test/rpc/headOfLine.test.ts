/** One slow consumer, and the other calls of its client. */
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Queue from "effect/Queue"
import { describe, expect } from "vitest"
import { live, simulated, type World } from "../api/World.ts"
import { library } from "./suiteService.ts"
import { quic, tcp, type Transport } from "./transports.ts"

/**
 * Begins to consume a stream, makes a call of the same client, and lets another client make a hundred meanwhile. Tells
 * whether the call has its reply before the stream is consumed to its end, after which it must have it.
 */
const isAnsweredMeanwhile = Effect.fnUntraced(function* (transport: Transport, world: World) {
  const { calls, join } = yield* library(yield* transport(world))
  const other = yield* join
  const pages = yield* calls.Pages({ bytes: 10_000, count: 1000 }, { asQueue: true })
  yield* Queue.take(pages)
  // what the client takes without its consumer has arrived
  for (let i = 0; i < 100; i++) yield* other["shelf.Count"]()
  const call = yield* Effect.forkScoped(calls["shelf.Count"]())
  for (let i = 0; i < 100; i++) yield* other["shelf.Count"]()
  const isAnswered = call.pollUnsafe() !== undefined
  for (let i = 1; i < 1000; i++) yield* Queue.take(pages)
  expect(yield* Fiber.join(call)).toBe(7)
  return isAnswered
})

describe("C3: one slow consumer of a stream", () => {
  live.it("delays every other call of its client over Effect's TCP sockets", (world) =>
    Effect.map(isAnsweredMeanwhile(tcp, world), (isAnswered) => expect(isAnswered).toBe(false))
  )

  for (const universe of [live, simulated]) {
    universe.it(`delays no other call over QUIC, ${universe.name}`, (world) =>
      Effect.map(isAnsweredMeanwhile(quic, world), (isAnswered) => expect(isAnswered).toBe(true))
    )
  }
})
