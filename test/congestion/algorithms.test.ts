/** The congestion controllers compared on the same networks, over whole connections. */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import { describe, expect } from "vitest"
import type { LinkConditions } from "../../layers/sim/SimLink.ts"
import type { TransportOptions } from "../../src/index.ts"
import { pair, pattern, readAll } from "../api/pair.ts"
import { simWorld } from "../api/World.ts"
import { itSim } from "../sim/itSim.ts"

const BITS = 20e6

type Algorithm = NonNullable<TransportOptions["congestion"]>

/** Goodput of an upload of `size` bytes, in bits per second. */
const goodput = Effect.fnUntraced(function* (
  congestion: Algorithm,
  conditions: Partial<LinkConditions>,
  size: number
) {
  const world = yield* simWorld
  world.cable!.set({ delayMillis: 20, bitsPerSecond: BITS, queueBytes: 100_000, ...conditions })
  const { near, far } = yield* pair(world, { client: { transport: { congestion } } })
  const begun = yield* Clock.currentTimeMillis
  const out = yield* near.openUni
  yield* Effect.forkScoped(Effect.andThen(out.write(pattern(size)), out.finish))
  const received = yield* readAll(yield* far.acceptUni)
  expect(received.length).toBe(size)
  return (size * 8 * 1000) / ((yield* Clock.currentTimeMillis) - begun)
})

describe("a connection", () => {
  for (const congestion of ["cubic", "newReno", "bbr"] as const)
    itSim(`with ${congestion} fills a clean link`, () =>
      Effect.gen(function* () {
        expect(yield* goodput(congestion, {}, 5_000_000)).toBeGreaterThan(0.75 * BITS)
      })
    )

  itSim("with bbr keeps its rate where two packets in a hundred are lost at random", () =>
    Effect.gen(function* () {
      expect(yield* goodput("bbr", { lossRate: 0.02 }, 5_000_000)).toBeGreaterThan(0.6 * BITS)
    })
  )

  itSim("with bbr loses a tenth at most where one in a hundred is lost at random", () =>
    Effect.gen(function* () {
      expect(yield* goodput("bbr", { lossRate: 0.01, queueBytes: 200_000 }, 20_000_000)).toBeGreaterThan(
        0.86 * BITS
      )
    })
  )

  itSim("with cubic does not, which is why there is a choice", () =>
    Effect.gen(function* () {
      expect(yield* goodput("cubic", { lossRate: 0.02 }, 2_000_000)).toBeLessThan(0.4 * BITS)
    })
  )
})
