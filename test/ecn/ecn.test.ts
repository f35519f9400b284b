import * as Effect from "effect/Effect"
import { describe, expect } from "vitest"
import type { SimLink } from "../../layers/sim/SimLink.ts"
import type { SimPacket } from "../../layers/sim/SimPacket.ts"
import type { LinkConditions } from "../../layers/sim/SimLink.ts"
import { pair } from "../api/pair.ts"
import { simWorld } from "../api/World.ts"
import { transfer } from "../migration/transfer.ts"
import { itSim } from "../sim/itSim.ts"

const SIZE = 3_000_000

/** A slow link with a large queue. */
const narrow: Partial<LinkConditions> = { bitsPerSecond: 10e6, queueBytes: 300_000 }

const connected = (
  conditions: Partial<LinkConditions>,
  change: (packet: SimPacket) => SimPacket = (packet) => packet
) =>
  Effect.gen(function* () {
    const world = yield* simWorld
    const cable = world.cable!
    cable.set({ ...narrow, ...conditions })
    const codepoints = [0, 0, 0, 0]
    const watch = (link: SimLink): void => {
      link.rewrite = (packet) => {
        codepoints[packet.ecn]++
        return change(packet)
      }
    }
    watch(cable.forward)
    watch(cable.backward)
    return { ...(yield* pair(world)), cable, codepoints }
  })

describe("ECN", () => {
  itSim("is used on a path that carries the marks", () =>
    Effect.gen(function* () {
      const ends = yield* connected({})
      yield* transfer(ends, SIZE)
      expect(ends.near.stats.ecn).toBe("capable")
      expect(ends.far.stats.ecn).toBe("capable")
      const [none, , ect0] = ends.codepoints
      expect(ect0).toBeGreaterThan(50 * none)
    })
  )

  // RFC 9000 §19.3 #S1
  itSim("lets a marking queue slow the sender down before anything is lost", () =>
    Effect.gen(function* () {
      const ends = yield* connected({ markAboveBytes: 40_000 })
      yield* transfer(ends, SIZE)
      expect(ends.cable.forward.counters.marked).toBeGreaterThan(0)
      expect(ends.near.stats.congestionEvents).toBeGreaterThan(0)
      expect(ends.near.stats.packetsLost).toBe(0)
      expect(ends.far.stats.packetsLost).toBe(0)
      expect(ends.near.stats.ecn).toBe("capable")
    })
  )

  itSim("is given up where the network bleaches the marks", () =>
    Effect.gen(function* () {
      const ends = yield* connected({}, (packet) => ({ ...packet, ecn: 0 }))
      yield* transfer(ends, SIZE)
      expect(ends.near.stats.ecn).toBe("failed")
      const [none, , ect0] = ends.codepoints
      expect(ect0).toBeLessThan(none / 10)
    })
  )

  itSim("is given up where the network turns ECT(0) into ECT(1)", () =>
    Effect.gen(function* () {
      const ends = yield* connected({}, (packet) => (packet.ecn === 2 ? { ...packet, ecn: 1 } : packet))
      yield* transfer(ends, SIZE)
      expect(ends.near.stats.ecn).toBe("failed")
    })
  )

  itSim("is given up where the network drops what is marked, and the handshake survives", () =>
    Effect.gen(function* () {
      const world = yield* simWorld
      const cable = world.cable!
      for (const link of [cable.forward, cable.backward]) link.dropIf = (packet) => packet.ecn !== 0
      const ends = yield* pair(world)
      expect(["unknown", "failed"]).toContain(ends.near.stats.ecn)
      const { refused } = cable.forward.counters
      yield* transfer(ends, SIZE)
      expect(cable.forward.counters.refused).toBe(refused)
    })
  )

  itSim("does not slow down for ever where the network marks every packet", () =>
    Effect.gen(function* () {
      const ends = yield* connected({}, (packet) => (packet.ecn === 2 ? { ...packet, ecn: 3 } : packet))
      yield* transfer(ends, SIZE)
      expect(ends.near.stats.ecn).toBe("unknown")
      expect(ends.near.stats.congestionEvents).toBeLessThan(5)
    })
  )

  itSim("is tested anew after a migration, with counts that go on", () =>
    Effect.gen(function* () {
      const ends = yield* connected({})
      const again = ends.near.migrate({ host: "10.0.0.1" })
      yield* transfer(ends, SIZE, [
        [0.3, again],
        [0.6, again]
      ])
      expect(ends.near.stats.ecn).toBe("capable")
      expect(ends.far.stats.ecn).toBe("capable")
    })
  )

  itSim("is not tried by a socket that cannot mark", () =>
    Effect.gen(function* () {
      const world = yield* simWorld
      world.clientHost!.ecn = false
      const ends = yield* pair(world)
      yield* transfer(ends, SIZE)
      expect(ends.near.stats.ecn).toBe("unsupported")
    })
  )
})
