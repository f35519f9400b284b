import * as Effect from "effect/Effect"
import { expect } from "vitest"
import { pair } from "../api/pair.ts"
import { simulated } from "../api/World.ts"

simulated.it("of more migrations at once than there are routes, each comes to an end", (world) =>
  Effect.gen(function* () {
    const { near } = yield* pair(world)
    yield* Effect.sleep("500 millis")
    const migrations = Array.from({ length: 7 }, () => Effect.exit(near.migrate()))
    const ends = yield* Effect.timeoutOption(
      Effect.all(migrations, { concurrency: "unbounded" }),
      "30 seconds"
    )
    expect(ends._tag).toBe("Some")
    yield* near.ping
  })
)
