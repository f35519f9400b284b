/** A migration belongs to the path that it began on. */
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import { describe, expect } from "vitest"
import { reasonOf } from "../api/pair.ts"
import { itSim } from "../sim/itSim.ts"
import { MOBILE, twoLinks, WIFI } from "./twoLinks.ts"

describe("a migration of one of several paths", () => {
  itSim("arrives, though data has gone to another path meanwhile", () =>
    Effect.gen(function* () {
      const { connection } = yield* twoLinks()
      yield* connection.openPath({ local: { host: MOBILE } })
      const first = connection.path(0)!
      const { port } = first.info.local
      const migrating = yield* Effect.forkChild(connection.migrate({ host: WIFI }))
      yield* Effect.sleep(5)
      yield* first.setStatus("backup")
      yield* Fiber.join(migrating)
      expect(first.info.local.host).toBe(WIFI)
      expect(first.info.local.port).not.toBe(port)
    })
  )

  // chaos seed 870
  itSim("fails when the path is abandoned, though it still waits for a connection ID", () =>
    Effect.gen(function* () {
      const { connection, links } = yield* twoLinks({
        transport: { maxPaths: 2, activeConnectionIdLimit: 2 }
      })
      yield* connection.openPath({ local: { host: MOBILE } })
      yield* Effect.sleep(1_000)
      links.wifi.set({ up: false })
      // the first takes the only spare ID
      const migrating = yield* Effect.forkChild(
        Effect.all(
          [reasonOf(connection.migrate({ host: WIFI })), reasonOf(connection.migrate({ host: WIFI }))],
          {
            concurrency: "unbounded"
          }
        )
      )
      yield* Effect.sleep(100)
      yield* connection.path(0)!.abandon
      const failed = { _tag: "MigrationFailed" }
      expect(yield* Fiber.join(migrating)).toEqual([
        expect.objectContaining(failed),
        expect.objectContaining({ ...failed, outcome: "Superseded" })
      ])
    })
  )
})
