/** A migration belongs to the path that it began on. */
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import { describe, expect } from "vitest"
import { itSim } from "../sim/itSim.ts"
import { MOBILE, twoLinks, WIFI } from "./twoLinks.ts"

describe("a migration of one of several paths", () => {
  itSim("arrives, though data has gone to another path meanwhile", () =>
    Effect.gen(function* () {
      const { connection } = yield* twoLinks()
      yield* connection.openPath({ host: MOBILE })
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
})
