/** A client asked to migrate to an address from which its server is unreachable. */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import { describe, expect } from "vitest"
import type { QuicConnection } from "../../src/index.ts"
import { pair } from "../api/pair.ts"
import { live, simWorld } from "../api/World.ts"
import { itSim } from "../sim/itSim.ts"

const refusal = (near: QuicConnection, host: string) =>
  Effect.map(Effect.flip(near.migrate({ host })), ({ reason }) => reason)

describe("a migration fails at once, and the connection stays", () => {
  itSim("when there is no route from the new address", () =>
    Effect.gen(function* () {
      const world = yield* simWorld
      world.clientHost!.addresses.push("10.9.0.1")
      const { client, near } = yield* pair(world)
      yield* near.handshakeComplete
      yield* Effect.sleep(1000)
      const before = yield* Clock.currentTimeMillis
      expect(yield* refusal(near, "10.9.0.1")).toMatchObject({
        _tag: "MigrationFailed",
        outcome: "Unreachable",
        problem: expect.stringContaining("no route")
      })
      expect((yield* Clock.currentTimeMillis) - before).toBeLessThan(10)
      yield* Effect.sleep(1) // a separate fiber closes the socket
      expect((yield* client.tree).sockets).toBe(1)
      expect((yield* client.tree).connections[0].paths[0].routes.length).toBe(1)
    })
  )

  live.it("when the new address is of the other family", (world) =>
    Effect.gen(function* () {
      const { near } = yield* pair(world)
      yield* near.handshakeComplete
      expect(yield* refusal(near, "::1")).toMatchObject({
        _tag: "MigrationFailed",
        outcome: "Unreachable",
        problem: expect.stringContaining("bound to ::1")
      })
    })
  )
})
