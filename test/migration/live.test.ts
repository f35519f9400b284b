import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import * as Layer from "effect/Layer"
import { describe, expect } from "vitest"
import * as NodeNetworkInterfaces from "../../layers/node/NodeNetworkInterfaces.ts"
import { NetworkInterfaces } from "../../src/capability/NetworkInterfaces.ts"
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

/** The interfaces of this machine as the test says, polled often. */
const interfacesOf = (table: { addresses: ReadonlyArray<string> }) =>
  Layer.succeed(
    NetworkInterfaces,
    NodeNetworkInterfaces.make({
      pollInterval: 20,
      list: () => table.addresses.map((address) => ({ name: "test0", address, family: 4, isLoopback: true }))
    })
  )

describe("over real sockets, a client whose address", () => {
  live.it("is gone moves to another one, and loses nothing", (world) =>
    Effect.gen(function* () {
      const table = { addresses: ["127.0.0.5", "127.0.0.1"] }
      const layer = Layer.merge(world.client.layer, interfacesOf(table))
      const ends = yield* pair({ ...world, client: { host: "127.0.0.5", layer } })
      expect(ends.far.remoteAddress.host).toBe("127.0.0.5")
      yield* Effect.sleep(200)
      yield* transfer(ends, SIZE, [
        [
          0.2,
          Effect.sync(() => {
            table.addresses = ["127.0.0.1"]
          })
        ]
      ])
      const arrived = Stream.takeUntil(ends.far.pathChanges, ([{ remote }]) => remote.host === "127.0.0.1")
      yield* Stream.runDrain(arrived)
      expect(ends.far.remoteAddress.host).toBe("127.0.0.1")
    })
  )

  live.it("belongs to no interface stays where it is when interfaces change", (world) =>
    Effect.gen(function* () {
      const table = { addresses: ["127.0.0.1"] }
      const layer = Layer.merge(world.client.layer, interfacesOf(table))
      const ends = yield* pair({ ...world, client: { host: "127.0.0.5", layer } })
      yield* transfer(ends, SIZE, [
        [
          0.2,
          Effect.sync(() => {
            table.addresses = ["127.0.0.1", "127.0.0.6"]
          })
        ]
      ])
      expect(ends.far.remoteAddress.host).toBe("127.0.0.5")
      expect((yield* ends.client.tree).sockets).toBe(1)
    })
  )
})
