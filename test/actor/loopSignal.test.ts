import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import { LoopSignal } from "../../src/actor/LoopSignal.ts"

describe("the signal of an endpoint's loop", () => {
  const waiting = Effect.gen(function* () {
    const signal = new LoopSignal()
    const order: Array<string> = []
    yield* Effect.forkChild(
      signal.forever(() => {
        signal.clear()
        order.push("turn")
      })
    )
    yield* Effect.yieldNow
    return { signal, order }
  })

  it.live("lets fibers that are ready run before the turn", () =>
    Effect.gen(function* () {
      const { signal, order } = yield* waiting
      yield* Effect.forkChild(Effect.sync(() => order.push("fiber")))
      signal.ring()
      assert.deepStrictEqual(order, [])
      while (order.length < 2) yield* Effect.yieldNow
      assert.deepStrictEqual(order, ["fiber", "turn"])
    })
  )

  it.live("runs the turn before an urgent ring returns", () =>
    Effect.gen(function* () {
      const { signal, order } = yield* waiting
      signal.ring(true)
      assert.deepStrictEqual(order, ["turn"])
      // the loop waits again
      signal.ring(true)
      assert.deepStrictEqual(order, ["turn", "turn"])
    })
  )

  it.live("keeps a ring in the middle of a turn for the next one, however urgent", () =>
    Effect.gen(function* () {
      const signal = new LoopSignal()
      let turns = 0
      yield* Effect.forkChild(
        signal.forever(() => {
          signal.clear()
          if (++turns === 1) signal.ring(true)
        })
      )
      yield* Effect.yieldNow
      signal.ring(true)
      assert.strictEqual(turns, 1)
      while (turns < 2) yield* Effect.yieldNow
    })
  )

  it.live("runs no turn after an interrupt, not even one that is queued", () =>
    Effect.gen(function* () {
      const signal = new LoopSignal()
      let turns = 0
      const loop = yield* Effect.forkChild(signal.forever(() => turns++))
      yield* Effect.yieldNow
      signal.ring()
      yield* Fiber.interrupt(loop)
      signal.ring(true)
      yield* Effect.yieldNow
      assert.strictEqual(turns, 0)
    })
  )

  it.live("ends with the defect of a turn", () =>
    Effect.gen(function* () {
      const signal = new LoopSignal()
      const defect = new Error("broken")
      const loop = yield* Effect.forkChild(
        signal.forever(() => {
          throw defect
        })
      )
      yield* Effect.yieldNow
      signal.ring()
      assert.deepStrictEqual(yield* Fiber.await(loop), Exit.die(defect))
    })
  )
})
