import * as Effect from "effect/Effect"
import { describe, expect } from "vitest"
import { pair } from "../api/pair.ts"
import { live } from "../api/World.ts"
import { transfer } from "./transfer.ts"

const SIZE = 3_000_000

describe("over real sockets", () => {
  live.it("a connection migrates during a transfer", (world) =>
    Effect.gen(function* () {
      const ends = yield* pair(world)
      const before = ends.far.remoteAddress.port
      yield* transfer(ends, SIZE, [
        [0.2, ends.near.migrate({ host: "127.0.0.1" })],
        [0.6, ends.near.migrate({ host: "127.0.0.1" })]
      ])
      expect(ends.far.remoteAddress.port).not.toBe(before)
    })
  )

  live.it("an endpoint is rebound during a transfer", (world) =>
    Effect.gen(function* () {
      const ends = yield* pair(world)
      const where = { host: "127.0.0.1", port: 0 }
      yield* transfer(ends, SIZE, [
        [0.2, ends.client.rebind(where)],
        [0.6, ends.client.rebind(where)]
      ])
      expect(ends.far.remoteAddress.port).toBe(ends.client.localAddress.port)
    })
  )

  live.it("a server is followed to its preferred address", (world) =>
    Effect.gen(function* () {
      const ends = yield* pair(world, {
        server: { preferredAddress: { ipv4: { host: "127.0.0.1", port: 34_567 } } }
      })
      yield* transfer(ends, SIZE)
      expect(ends.near.remoteAddress.port).toBe(34_567)
    })
  )
})
