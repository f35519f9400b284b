import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import { describe, expect, it } from "vitest"
import { LIFETIME_LIMIT } from "../../src/path/LocalConnectionIds.ts"
import { PeerConnectionIds } from "../../src/path/PeerConnectionIds.ts"
import type { ConnectionIdInfo } from "../../src/index.ts"
import { coreOf } from "../inspect.ts"
import { type PairOptions, reasonOf } from "../api/pair.ts"
import { itSim } from "../sim/itSim.ts"
import { connected } from "./connected.ts"
import { transfer } from "./transfer.ts"

const settled = Effect.fnUntraced(function* (options: PairOptions = {}) {
  const ends = yield* connected(options)
  // the handshake is confirmed and each side has its spare IDs
  yield* Effect.sleep(100)
  return ends
})

const sequences = (ids: ReadonlyArray<ConnectionIdInfo>) => ids.map(({ sequence }) => sequence)
const active = (ids: ReadonlyArray<ConnectionIdInfo>) => ids.filter(({ isActive }) => isActive)
const briefly = Effect.sleep(100)

describe("A1 connection-ID registries", () => {
  itSim("show the IDs of both sides, with number, state and which is active, and never a reset token", () =>
    Effect.gen(function* () {
      const { near, far } = yield* settled()
      expect(near.connectionIds.remote).toEqual([
        { path: 0, sequence: 0, id: expect.stringMatching(/^[0-9a-f]{16}$/), state: "used", isActive: true },
        { path: 0, sequence: 1, id: expect.any(String), state: "spare", isActive: false },
        { path: 0, sequence: 2, id: expect.any(String), state: "spare", isActive: false }
      ])
      // what one side has issued is what the other holds
      expect(far.connectionIds.local).toEqual(near.connectionIds.remote)
      expect(near.connectionIds.local).toEqual(far.connectionIds.remote)
      const tokens = coreOf(near).path.peerIds.ids.flatMap(({ token }) => (token ? [token] : []))
      expect(tokens.length).toBe(3)
      const shown = JSON.stringify([near.connectionIds.remote, far.connectionIds.local])
      for (const token of tokens) expect(shown).not.toContain(Buffer.from(token).toString("hex"))
    })
  )

  for (const connectionIdBytes of [4, 20])
    itSim(`hold IDs of ${connectionIdBytes} bytes where the endpoint is configured so`, () =>
      Effect.gen(function* () {
        const { near } = yield* settled({ serverEndpoint: { connectionIdBytes } })
        const lengths = near.connectionIds.remote.map(({ id }) => id.length / 2)
        expect(lengths).toEqual([connectionIdBytes, connectionIdBytes, connectionIdBytes])
      })
    )

  itSim(
    "refuse to retire the active ID, to activate a retired one, and to do either with an unknown one",
    () =>
      Effect.gen(function* () {
        const ends = yield* settled()
        const ids = ends.near.connectionIds
        expect(yield* reasonOf(ids.retire(0))).toMatchObject({ _tag: "ActiveConnectionId", sequence: 0 })
        yield* ids.activate(2)
        yield* briefly
        expect(sequences(active(ids.remote))).toEqual([2])
        expect(yield* reasonOf(ids.activate(0))).toMatchObject({ _tag: "RetiredConnectionId", sequence: 0 })
        expect(yield* reasonOf(ids.retire(0))).toMatchObject({ _tag: "RetiredConnectionId", sequence: 0 })
        expect(yield* reasonOf(ids.activate(99))).toMatchObject({ _tag: "UnknownConnectionId", sequence: 99 })
        expect(yield* reasonOf(ids.retire(1, 7))).toMatchObject({ _tag: "UnknownConnectionId", sequence: 1 })
        expect(yield* reasonOf(ids.activate(-1))).toMatchObject({ _tag: "InvalidOption", field: "sequence" })
        expect(sequences(active(ids.remote))).toEqual([2])
        yield* transfer(ends, 100_000)
      })
  )

  itSim("refuse to activate the ID with which another route is being validated", () =>
    Effect.gen(function* () {
      const ends = yield* settled()
      const { near, other } = ends
      other.set({ up: false })
      const moving = yield* Effect.forkScoped(near.migrate({ host: "10.0.1.1" }))
      yield* Effect.sleep(5)
      const ids = near.connectionIds
      const probing = ids.remote.filter(({ state, isActive }) => state === "used" && !isActive)
      expect(sequences(probing)).toEqual([1])
      expect(yield* reasonOf(ids.activate(1))).toMatchObject({ _tag: "ActiveConnectionId", sequence: 1 })
      expect(yield* reasonOf(ids.retire(1))).toMatchObject({ _tag: "ActiveConnectionId", sequence: 1 })
      expect(sequences(active(ids.remote))).toEqual([0])
      other.set({ up: true })
      yield* Fiber.join(moving)
      expect(sequences(active(ids.remote))).toEqual([1])
    })
  )

  itSim("refuse to change once all that a path may ever have are used up, and change nothing", () =>
    Effect.gen(function* () {
      const ends = yield* settled()
      const { near } = ends
      // as after 65,000 changes, each of which takes a round trip
      Object.assign(coreOf(near).path.localIds, { nextSequence: LIFETIME_LIMIT })
      const before = [near.connectionIds.local, near.connectionIds.remote]
      expect(yield* reasonOf(near.rotateConnectionIds)).toMatchObject({ _tag: "NoConnectionIds" })
      expect([near.connectionIds.local, near.connectionIds.remote]).toEqual(before)
      yield* transfer(ends, 100_000)
    })
  )

  itSim("retire an unused ID, which the peer replaces", () =>
    Effect.gen(function* () {
      const ends = yield* settled()
      yield* ends.near.connectionIds.retire(1)
      yield* briefly
      expect(sequences(ends.near.connectionIds.remote)).toEqual([0, 2, 3])
      expect(sequences(ends.far.connectionIds.local)).toEqual([0, 2, 3])
      yield* transfer(ends, 100_000)
    })
  )

  itSim("change the IDs of both directions on request", () =>
    Effect.gen(function* () {
      const ends = yield* settled()
      const { near, far } = ends
      yield* near.rotateConnectionIds
      yield* transfer(ends, 100_000)
      for (const side of [near, far]) {
        expect(sequences(active(side.connectionIds.remote))).not.toEqual([0])
        expect(sequences(side.connectionIds.remote)).not.toContain(0)
        expect(sequences(side.connectionIds.local)).not.toContain(0)
      }
    })
  )

  itSim("refuse another change before the last one is complete, and change nothing", () =>
    Effect.gen(function* () {
      const { near } = yield* settled()
      yield* near.rotateConnectionIds
      const before = near.connectionIds.remote
      expect(yield* reasonOf(near.rotateConnectionIds)).toMatchObject({ _tag: "RotationPending" })
      expect(near.connectionIds.remote).toEqual(before)
      yield* briefly
      yield* near.rotateConnectionIds
    })
  )

  itSim("refuse to change while the peer has provided no unused ID", () =>
    Effect.gen(function* () {
      const { near } = yield* settled()
      yield* near.connectionIds.retire(1)
      yield* near.connectionIds.retire(2)
      const before = near.connectionIds.local
      expect(yield* reasonOf(near.rotateConnectionIds)).toMatchObject({ _tag: "NoSpareConnectionId" })
      // nor does this side ask the peer to retire any
      expect(near.connectionIds.local).toEqual(before)
    })
  )

  itSim("stay within 8 active IDs, retire the oldest inactive ones, and never the active one", () =>
    Effect.gen(function* () {
      const ends = yield* settled()
      const { near, far } = ends
      for (let i = 0; i < 40; i++) {
        yield* near.migrate()
        expect(far.connectionIds.local.length).toBeLessThanOrEqual(8)
        expect(near.connectionIds.remote.length).toBeLessThanOrEqual(8)
        expect(active(near.connectionIds.remote).length).toBe(1)
      }
      yield* briefly
      const lowest = Math.min(...sequences(far.connectionIds.local))
      expect(lowest).toBeGreaterThan(30)
      yield* transfer(ends, 100_000)
    })
  )

  it("remember a bounded amount of IDs that were retired, however many there were", () => {
    const ids = new PeerConnectionIds({ pathId: 0, limit: 8, first: Uint8Array.of(0, 0, 0) })
    const idOf = (n: number) => Uint8Array.of(n >> 16, n >> 8, n)
    for (let n = 1; n <= 5_000; n++) {
      expect(ids.onNew(n, 0, idOf(n), new Uint8Array(16).fill(n).with(0, n >> 8))).toBeUndefined()
      expect(ids.activate(n)).toBeUndefined()
      expect(ids.retire(n - 1)).toBeUndefined()
      ids.onAcked(0, 0, n - 1)
      ids.takeTokenChanges() // as the endpoint does after each turn
      if (n % 500 === 0) expect(JSON.stringify(ids).length).toBeLessThan(2_000)
    }
    expect(ids.activate(1)).toEqual({ _tag: "RetiredConnectionId", sequence: 1 })
  })
})
