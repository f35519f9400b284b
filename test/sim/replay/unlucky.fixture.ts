/** Tests that fail, for the one that looks at what is printed then. */
import { describe, it } from "@effect/vitest"
import { Deferred, Effect, Random } from "effect"
import * as SimVitest from "../../../layers/sim/vitest/index.ts"

const command = "npx vitest run --config test/sim/replay/vitest.config.ts"

describe("a test that's unlucky", () => {
  it.effect("fails (with its number: $4)", () =>
    Effect.gen(function* () {
      yield* Effect.sleep("1 hour")
      return yield* Effect.die(new Error(`unlucky number ${yield* Random.nextInt}`))
    }).pipe(Effect.provide(SimVitest.layer({ command, interleaving: "seeded" })))
  )

  it.effect("waits for ever", () =>
    Effect.gen(function* () {
      yield* Deferred.await(yield* Deferred.make<void>())
    }).pipe(Effect.provide(SimVitest.layer({ command })))
  )
})
