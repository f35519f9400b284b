import { it } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import { describe, expect } from "vitest"
import { Branch } from "../../src/actor/Branch.ts"
import { NoteKeeper } from "../../src/actor/NoteKeeper.ts"
import type { SessionTicket } from "../../src/capability/TicketStore.ts"

const ticket = (ageAdd: number): SessionTicket => ({ ageAdd }) as SessionTicket

/** A store whose first operation is slow, and a record of what it was asked to store. */
const slowStore = Effect.gen(function* () {
  const root = new Branch(Effect.runForkWith(yield* Effect.context<never>()))
  const slow = yield* Deferred.make<void>()
  const noted: Array<number> = []
  const broken: Array<unknown> = []
  const note = (number: number) => {
    noted.push(number)
    if (number < 0) return Effect.die("the disk is full")
    return noted.length === 1 ? Deferred.await(slow) : Effect.void
  }
  const keeper = new NoteKeeper(
    {
      onTicket: (each) => note(each.ageAdd),
      onAddressToken: ([number]) => note(number)
    },
    root,
    (cause) => broken.push(cause)
  )
  return { keeper, root, noted, broken, goOn: Deferred.succeed(slow, undefined) }
})

describe("what a client stores for its next connection", () => {
  it.effect("costs one fiber however many tokens the server issues; the newest is stored", () =>
    Effect.gen(function* () {
      const { keeper, root, noted, goOn } = yield* slowStore
      for (let i = 0; i < 200; i++) keeper.addAddressToken(Uint8Array.of(i))
      expect([root.fiberCount, noted]).toEqual([1, [0]])
      yield* goOn
      yield* root.whenEmpty
      expect([root.fiberCount, noted]).toEqual([0, [0, 199]])
      keeper.addAddressToken(Uint8Array.of(7))
      yield* root.whenEmpty
      expect(noted).toEqual([0, 199, 7])
    })
  )

  it.effect("includes all tickets, in order", () =>
    Effect.gen(function* () {
      const { keeper, root, noted, goOn } = yield* slowStore
      for (let i = 0; i < 5; i++) keeper.addTicket(ticket(i))
      keeper.addAddressToken(Uint8Array.of(9))
      expect(root.fiberCount).toBe(1)
      yield* goOn
      yield* root.whenEmpty
      expect(noted).toEqual([0, 1, 2, 3, 4, 9])
    })
  )

  it.effect("continues after the store has failed", () =>
    Effect.gen(function* () {
      const { keeper, root, noted, broken, goOn } = yield* slowStore
      for (const number of [0, -1, 2]) keeper.addTicket(ticket(number))
      yield* goOn
      yield* root.whenEmpty
      expect([noted, broken.length]).toEqual([[0, -1, 2], 1])
    })
  )
})
