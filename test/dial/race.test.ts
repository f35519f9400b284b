/** The attempts of a dial that are given up: the peer's application sees none of them, however close the race is. */
import * as Effect from "effect/Effect"
import { describe, expect, it } from "vitest"
import { FinishLine } from "../../src/actor/raceAddresses.ts"
import { itSim } from "../sim/itSim.ts"
import { dialWorld, options, peerAt, RELAY } from "./dialWorld.ts"

describe("attempts that would complete at the same moment", () => {
  for (const relayMillis of [9.9, 10, 10.1])
    itSim(`show the peer one connection, with the relay ${relayMillis} ms away`, () =>
      Effect.gen(function* () {
        const world = yield* dialWorld({ [RELAY]: relayMillis })
        const bob = yield* peerAt(world.there, { server: { alpn: ["test"] }, traversal: false })
        const alice = yield* peerAt(world.here, { traversal: false })
        let shown = 0
        const serving = bob.endpoint.serve(({ closed }) => {
          shown++
          return Effect.asVoid(closed)
        })
        yield* Effect.forkScoped(Effect.ignore(serving))
        yield* bob.endpoint.online
        yield* alice.endpoint.online
        const address = yield* bob.endpoint.dialAddress
        // the second and the third time with a ticket
        for (const dialed of [1, 2, 3]) {
          yield* Effect.scoped(Effect.andThen(alice.endpoint.dial(address, options), Effect.sleep(200)))
          yield* Effect.sleep(500)
          expect(shown).toBe(dialed)
        }
        const { handshakes } = yield* bob.endpoint.statistics
        expect([handshakes.completed, handshakes.inFlight]).toEqual([3, 0])
      })
    )
})

describe("a finish line", () => {
  it("is crossed by the first, and by another once that has failed", () => {
    const line = new FinishLine()
    const [a, b, c] = ["a", "b", "c"].map((name) => ({ name }))
    const asked: Array<object> = []
    const cross = (who: object): boolean =>
      line.cross(who, () => {
        if (!asked.includes(who)) asked.push(who)
        cross(who)
      })
    expect(cross(a)).toBe(true)
    expect(cross(b)).toBe(false)
    expect(cross(c)).toBe(false)
    expect(cross(a)).toBe(true)
    line.leave(c)
    line.leave(a)
    expect(asked).toEqual([b])
    expect(cross(b)).toBe(true)
    expect(cross(c)).toBe(false)
  })
})
