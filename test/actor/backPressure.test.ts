/** Sockets that temporarily accept nothing: waiting causes no busy loop, and sending resumes afterwards. */
import * as Effect from "effect/Effect"
import { describe, expect } from "vitest"
import { pair } from "../api/pair.ts"
import { simWorld } from "../api/World.ts"
import { coreOf } from "../inspect.ts"
import { transfer } from "../migration/transfer.ts"
import { itSim } from "../sim/itSim.ts"

describe("a connection whose socket accepts nothing", () => {
  itSim("asks now and then, and sends on once the socket takes datagrams again", () =>
    Effect.gen(function* () {
      const world = yield* simWorld
      const ends = yield* pair(world)
      const core = coreOf(ends.near)
      let polls = 0
      let sent = 0
      const { pollTransmit } = core
      core.pollTransmit = (...args) => {
        polls++
        const end = pollTransmit.apply(core, args)
        if (end > args[1]) sent++
        return end
      }
      const blocked = Effect.gen(function* () {
        world.clientHost!.takeDatagrams(false)
        // staggers arrivals, so each is handled in a turn that begins with a writable socket
        yield* Effect.sleep(1)
        polls = sent = 0
        yield* Effect.sleep(500)
        expect(sent).toBeLessThanOrEqual(1)
        expect(polls).toBeGreaterThan(10)
        expect(polls).toBeLessThan(200)
        world.clientHost!.takeDatagrams(true)
        yield* Effect.sleep(1)
        expect(sent).toBeGreaterThan(1)
      })
      yield* transfer(ends, 1_000_000, [[0.3, blocked]])
    })
  )
})
