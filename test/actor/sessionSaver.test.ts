import { it } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import { describe, expect } from "vitest"
import { Branch } from "../../src/actor/Branch.ts"
import { SessionSaver } from "../../src/actor/SessionSaver.ts"
import type { SessionTicket, TicketStoreShape } from "../../src/capability/TicketStore.ts"

const ticket = (ageAdd: number): SessionTicket => ({ ageAdd }) as SessionTicket

/** A store whose first operation is slow, and a record of what it was asked to store. */
const slowStore = Effect.gen(function* () {
  const root = new Branch(Effect.runForkWith(yield* Effect.context<never>()))
  const slow = yield* Deferred.make<void>()
  const saved: Array<number> = []
  const broken: Array<unknown> = []
  const save = (number: number) => {
    saved.push(number)
    if (number < 0) return Effect.die("the disk is full")
    return saved.length === 1 ? Deferred.await(slow) : Effect.void
  }
  const store: TicketStoreShape = {
    take: () => Effect.die("nothing is taken"),
    putTicket: (server, { ageAdd }) => (server === "example" ? save(ageAdd) : Effect.void),
    putAddressToken: (server, [number]) => (server === "example" ? save(number) : Effect.void)
  }
  const saver = new SessionSaver({ store, server: "example" }, root, {
    report: (_what, cause) => broken.push(cause)
  })
  return { saver, root, saved, broken, goOn: Deferred.succeed(slow, undefined) }
})

describe("what a client stores for its next connection", () => {
  it.effect("costs one fiber however many tokens the server issues; the newest is stored", () =>
    Effect.gen(function* () {
      const { saver, root, saved, goOn } = yield* slowStore
      for (let i = 0; i < 200; i++) saver.addAddressToken(Uint8Array.of(i))
      expect([root.fiberCount, saved]).toEqual([1, [0]])
      yield* goOn
      yield* root.whenEmpty
      expect([root.fiberCount, saved]).toEqual([0, [0, 199]])
      saver.addAddressToken(Uint8Array.of(7))
      yield* root.whenEmpty
      expect(saved).toEqual([0, 199, 7])
    })
  )

  it.effect("includes all tickets, in order", () =>
    Effect.gen(function* () {
      const { saver, root, saved, goOn } = yield* slowStore
      for (let i = 0; i < 5; i++) saver.addTicket(ticket(i))
      saver.addAddressToken(Uint8Array.of(9))
      expect(root.fiberCount).toBe(1)
      yield* goOn
      yield* root.whenEmpty
      expect(saved).toEqual([0, 1, 2, 3, 4, 9])
    })
  )

  it.effect("continues after the store has failed", () =>
    Effect.gen(function* () {
      const { saver, root, saved, broken, goOn } = yield* slowStore
      for (const number of [0, -1, 2]) saver.addTicket(ticket(number))
      yield* goOn
      yield* root.whenEmpty
      expect([saved, broken.length]).toEqual([[0, -1, 2], 1])
    })
  )
})
