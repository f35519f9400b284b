/** The tree and `top` show each path with its state. */
import * as Effect from "effect/Effect"
import { describe, expect } from "vitest"
import { FiberTree } from "../../src/index.ts"
import { itSim } from "../sim/itSim.ts"
import { MOBILE, twoLinks } from "./twoLinks.ts"

describe("the tree of an endpoint", () => {
  itSim("shows each path of a connection with its state", () =>
    Effect.gen(function* () {
      const ends = yield* twoLinks()
      const printed = Effect.map(ends.client.tree, (tree) =>
        FiberTree.print(tree)
          .split("\n")
          .flatMap((line) => line.match(/path \d.* · rtt/)?.[0].replace(/\S+ → \S+ · /, "") ?? [])
      )
      const bonding = Effect.map(
        ends.client.tree,
        (tree) => /established(?:, (\w+))?/.exec(FiberTree.print(tree))?.[1]
      )
      expect(yield* bonding).toBeUndefined()
      const backup = yield* ends.connection.openPath({ local: { host: MOBILE }, status: "backup" })
      expect(yield* printed).toEqual(["path 0 · active · rtt", "path 1 · standby · rtt"])
      yield* ends.accepted[0].path(1)!.setStatus("available")
      yield* backup.setStatus("available")
      yield* ends.accepted[0].path(0)!.setStatus("backup")
      yield* Effect.sleep(200)
      expect(yield* printed).toEqual(["path 0 · active, carries nothing · rtt", "path 1 · active · rtt"])
      expect(yield* bonding).toBe("bonded")
      ends.links.mobile.set({ up: false })
      yield* ends.connection.ping
      yield* Effect.sleep(1_000)
      expect(yield* printed).toEqual(["path 0 · active · rtt", "path 1 · active, silent · rtt"])
      expect(yield* bonding).toBe("degraded")
      yield* backup.abandon.pipe(Effect.andThen(Effect.sleep(1)))
      expect(yield* printed).toEqual(["path 0 · active · rtt", "path 1 · closing · rtt"])
    })
  )
})
