import * as Effect from "effect/Effect"
import { describe, expect } from "vitest"
import { pair, pattern, readAll } from "../api/pair.ts"
import { live, simWorld } from "../api/World.ts"
import { sha256, transfer } from "../migration/transfer.ts"
import { itSim } from "../sim/itSim.ts"

const SIZE = 3_000_000

/** Path MTU discovery on both sides, up to UDP's maximum. */
const largest = { transport: { maxDatagramBytes: 65_507 } }
const both = { client: largest, server: largest }

describe("the datagrams of a path", () => {
  live.it("grow to what loopback carries", (world) =>
    Effect.gen(function* () {
      const ends = yield* pair(world, both)
      yield* transfer(ends, SIZE)
      yield* transfer(ends, SIZE)
      expect(ends.near.stats.datagramBytes).toBeGreaterThanOrEqual(65_487)
      expect(ends.far.stats.datagramBytes).toBeGreaterThanOrEqual(65_487)
    })
  )

  live.it("may have that size from the start", (world) =>
    Effect.gen(function* () {
      const transport = { initialDatagramBytes: 65_507, maxDatagramBytes: 65_507 }
      const ends = yield* pair(world, { client: { transport }, server: { transport } })
      yield* transfer(ends, SIZE)
      expect(ends.near.stats.packetsSent).toBeLessThan(1000)
    })
  )

  live.it("may be larger than a packet with a long header can be", (world) =>
    Effect.gen(function* () {
      const transport = { initialDatagramBytes: 65_507, maxDatagramBytes: 65_507 }
      const ends = yield* pair(world, { client: { transport }, server: { transport, earlyData: true } })
      yield* transfer(ends, 100_000)
      yield* ends.near.close()
      const again = yield* ends.client.connect({ ...ends.connectOptions, earlyData: true })
      expect(again.facts.earlyData).toBe("pending")
      const sent = pattern(60_000)
      const early = yield* again.openUni
      yield* early.write(sent)
      yield* early.finish
      const far = yield* ends.server.accept
      expect(sha256(yield* readAll(yield* far.acceptUni))).toBe(sha256(sent))
      expect((yield* again.handshakeComplete).earlyData).toBe("accepted")
      expect(again.stats.packetsLost).toBe(0)
    })
  )

  itSim("grow to those of jumbo frames", () =>
    Effect.gen(function* () {
      const world = yield* simWorld
      world.cable!.set({ mtu: 9000, bitsPerSecond: 50e6 })
      const ends = yield* pair(world, both)
      yield* transfer(ends, SIZE)
      yield* Effect.sleep("10 seconds")
      expect(ends.near.stats.datagramBytes).toBe(8952)
      expect(ends.far.stats.datagramBytes).toBe(8952)
    })
  )

  itSim("grow while a sender never pauses", () =>
    Effect.gen(function* () {
      const world = yield* simWorld
      world.cable!.set({ mtu: 9000, bitsPerSecond: 50e6 })
      const ends = yield* pair(world, both)
      const halfWay = Effect.sync(() => ends.near.stats.datagramBytes)
      let then = 0
      yield* transfer(ends, SIZE, [[0.5, Effect.map(halfWay, (size) => void (then = size))]])
      expect(then).toBe(8952)
    })
  )

  // RFC 9000 §14.2 #S2 #S3, §14.3 #S1
  itSim("stay what every path must carry where a tunnel takes no more", () =>
    Effect.gen(function* () {
      const world = yield* simWorld
      world.cable!.set({ mtu: 1228, bitsPerSecond: 50e6 })
      const ends = yield* pair(world, both)
      yield* transfer(ends, SIZE)
      expect(ends.near.stats.datagramBytes).toBe(1200)
      expect(ends.near.stats.congestionEvents).toBeLessThan(20)
    })
  )

  itSim("shrink when the path becomes a black hole for large ones, and nothing is lost", () =>
    Effect.gen(function* () {
      const world = yield* simWorld
      const cable = world.cable!
      cable.set({ mtu: 9000, bitsPerSecond: 50e6 })
      const ends = yield* pair(world, both)
      yield* transfer(ends, SIZE, [[0.5, Effect.sync(() => cable.set({ mtu: 1280 }))]])
      expect(ends.near.stats.datagramBytes).toBeLessThanOrEqual(1252)
      expect(ends.far.stats.datagramBytes).toBeLessThanOrEqual(1252)
    })
  )

  itSim(
    "keep their size where a fifth of all is lost, small or large",
    () =>
      Effect.gen(function* () {
        const world = yield* simWorld
        const ends = yield* pair(world)
        yield* transfer(ends, 100_000)
        yield* Effect.sleep("5 seconds")
        world.cable!.set({ lossRate: 0.2 })
        for (let i = 0; i < 10; i++) yield* transfer(ends, 30_000)
        expect(ends.near.stats.datagramBytes).toBe(1452)
        expect(ends.far.stats.datagramBytes).toBe(1452)
      }),
    { seeds: 8 }
  )

  // RFC 9000 §14.2 #S4
  itSim("are measured anew on another network", () =>
    Effect.gen(function* () {
      const world = yield* simWorld
      const cable = world.cable!
      cable.set({ mtu: 9000, bitsPerSecond: 50e6 })
      const ends = yield* pair(world, both)
      yield* transfer(ends, SIZE)
      yield* Effect.sleep("10 seconds")
      expect(ends.far.stats.datagramBytes).toBe(8952)
      cable.set({ mtu: 1500 })
      yield* ends.near.migrate({ host: "10.0.0.1" })
      yield* transfer(ends, SIZE)
      yield* Effect.sleep("10 seconds")
      expect(ends.near.stats.datagramBytes).toBe(1472)
    })
  )
})
