/** D4, B9: data that says which path it prefers, or avoids; what the paths have carried shows it. */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import { describe, expect } from "vitest"
import { type PathPreference, PathScheduling } from "../../src/index.ts"
import { reasonOf } from "../api/pair.ts"
import { itSim } from "../sim/itSim.ts"
import { MOBILE, type TwoLinks, twoLinks, upload } from "./twoLinks.ts"

const MEGABYTE = 1_000_000
/** Enough to show where it goes. */
const SOME = 300_000
const FEW = 0.1 * SOME
const shaped = {
  wifi: { bitsPerSecond: 50e6, delayMillis: 10, queueBytes: 125_000 },
  mobile: { bitsPerSecond: 20e6, delayMillis: 30, queueBytes: 150_000 },
  transport: { maxPaths: 2, maxDatagramFrameBytes: 65_535 }
}

const both = Effect.fnUntraced(function* (options: Parameters<typeof twoLinks>[0] = {}) {
  const ends = yield* twoLinks({ ...shaped, ...options })
  const mobile = yield* ends.connection.openPath({ local: { host: MOBILE }, cost: 5 })
  const sentOn = () => ends.connection.paths.map(({ bytesSent }) => bytesSent)
  return { ends, mobile, sentOn }
})

/** How much each path has carried of an upload that says where it goes. */
const carried = Effect.fnUntraced(function* (
  { ends, sentOn }: Effect.Success<ReturnType<typeof both>>,
  bytes: number,
  path: PathPreference | undefined
) {
  const before = sentOn()
  expect((yield* upload(ends, bytes, path)).received).toBe(bytes)
  return sentOn().map((sent, i) => sent - before[i])
})

const schedulers = {
  earliest: PathScheduling.layerEarliest,
  minRTT: PathScheduling.layerMinRtt,
  BLEST: PathScheduling.layerBlest,
  ECF: PathScheduling.layerEcf,
  weighted: PathScheduling.layerWeighted(({ id }) => (id === 0 ? 5 : 2)),
  aggregate: PathScheduling.layerAggregate,
  redundant: PathScheduling.layerRedundant
}

describe("D4, B9: a stream", () => {
  for (const [name, scheduling] of Object.entries(schedulers))
    itSim(`goes where its hint says with ${name}, and nowhere else while that carries data`, () =>
      Effect.gen(function* () {
        const used = yield* both({ scheduling })
        const cases: ReadonlyArray<readonly [PathPreference, 0 | 1]> = [
          [{ prefer: 0 }, 0],
          [{ prefer: 1 }, 1],
          [{ avoid: 0 }, 1],
          [{ avoid: 1 }, 0],
          [{ prefer: "lowestCost" }, 0]
        ]
        for (const [path, wanted] of cases) {
          const sent = yield* carried(used, SOME, path)
          expect(sent[wanted]).toBeGreaterThan(SOME)
          expect(sent[1 - wanted]).toBeLessThan(FEW)
        }
        const [wifi, mobile] = yield* carried(used, 2 * MEGABYTE, undefined)
        expect(Math.min(wifi, mobile)).toBeGreaterThan(FEW)
      })
    )

  itSim("follows the cost of the paths as it changes, and uses all of equal cost", () =>
    Effect.gen(function* () {
      const used = yield* both()
      expect(used.mobile.info.cost).toBe(5)
      yield* used.ends.connection.path(0)!.setCost(6)
      expect((yield* carried(used, SOME, { prefer: "lowestCost" }))[1]).toBeGreaterThan(SOME)
      yield* used.mobile.setCost(6)
      const [wifi, mobile] = yield* carried(used, 2 * MEGABYTE, { prefer: "lowestCost" })
      expect(Math.min(wifi, mobile)).toBeGreaterThan(SOME)
    })
  )

  itSim("that waits for its path holds up no other", () =>
    Effect.gen(function* () {
      const { ends } = yield* both({ mobile: { ...shaped.mobile, bitsPerSecond: 1e6 } })
      const startedAt = yield* Clock.currentTimeMillis
      const slow = yield* ends.connection.openUni
      yield* slow.setPath({ prefer: 1 })
      yield* slow.setPriority(1)
      yield* slow.write(new Uint8Array(SOME))
      yield* upload(ends, 4 * MEGABYTE)
      const millis = (yield* Clock.currentTimeMillis) - startedAt
      // 8 Mbit/s would be the fair share of two streams that wait for each other
      expect((4 * MEGABYTE * 8) / 1000 / millis).toBeGreaterThan(30)
    })
  )

  itSim(
    "is sent on the other path as soon as the one it prefers falls silent, and on its own again after that",
    () =>
      Effect.gen(function* () {
        const used = yield* both()
        yield* carried(used, SOME, { prefer: 1 })
        const uploading = yield* Effect.forkChild(upload(used.ends, 3 * MEGABYTE, { prefer: 1 }))
        yield* Effect.sleep(500)
        used.ends.links.mobile.set({ up: false })
        const { received, longestGapMillis } = yield* Fiber.join(uploading)
        expect([received, longestGapMillis < 300]).toEqual([3 * MEGABYTE, true])
        used.ends.links.mobile.set({ up: true })
        yield* upload(used.ends, SOME)
        yield* Effect.sleep(5_000)
        const [wifi, mobile] = yield* carried(used, SOME, { prefer: 1 })
        expect([wifi < FEW, mobile > SOME]).toEqual([true, true])
        yield* used.mobile.abandon
        expect((yield* carried(used, SOME, { prefer: 1 }))[0]).toBeGreaterThan(SOME)
      })
  )
})

describe("D4, B9: a message", () => {
  itSim("takes the path of the lowest latency beside a stream that fills both", () =>
    Effect.gen(function* () {
      const { ends } = yield* both({
        mobile: { ...shaped.mobile, delayMillis: 150 },
        scheduling: PathScheduling.layerAggregate
      })
      const bulk = yield* Effect.forkChild(upload(ends, 8 * MEGABYTE))
      yield* Effect.sleep(700)
      const slowest = (path: PathPreference | undefined) =>
        Effect.map(
          Effect.forEach(Array.from({ length: 15 }), () =>
            Effect.tap(delayOf(ends, path), () => Effect.sleep(20))
          ),
          (delays) => Math.max(...delays)
        )
      expect(yield* slowest(undefined)).toBeGreaterThan(150)
      expect(yield* slowest({ prefer: "lowestLatency" })).toBeLessThan(60)
      yield* Fiber.join(bulk)
    })
  )

  itSim("or a datagram goes where it is to go", () =>
    Effect.gen(function* () {
      const { ends, sentOn } = yield* both()
      const send = (path: PathPreference) =>
        Effect.andThen(ends.connection.sendDatagram(new Uint8Array(1_000), { path }), Effect.sleep(5))
      for (const [path, wanted] of [
        [{ prefer: 1 }, 1],
        [{ avoid: 1 }, 0]
      ] as const) {
        const before = sentOn()
        yield* Effect.repeat(send(path), { times: 99 })
        const sent = sentOn().map((bytes, i) => bytes - before[i])
        expect(sent[wanted]).toBeGreaterThan(100_000)
        expect(sent[1 - wanted]).toBeLessThan(20_000)
      }
    })
  )
})

describe("D4: a hint", () => {
  itSim("that makes no sense is refused by name", () =>
    Effect.gen(function* () {
      const { ends, mobile } = yield* both()
      const { connection } = ends
      const stream = yield* connection.openUni
      const wrong = [
        {},
        { prefer: -1 },
        { prefer: "cheapest" },
        { avoid: 1.5 },
        { prefer: 0, avoid: 1 },
        1,
        null
      ]
      for (const path of wrong as ReadonlyArray<unknown> as ReadonlyArray<PathPreference>) {
        const refused = { _tag: "InvalidOption", field: "path" }
        expect(yield* reasonOf(stream.setPath(path))).toMatchObject(refused)
        expect(yield* reasonOf(connection.sendMessage(Uint8Array.of(1), { path }))).toMatchObject(refused)
        expect(yield* reasonOf(connection.sendDatagram(Uint8Array.of(1), { path }))).toMatchObject(refused)
      }
      for (const cost of [-1, Number.NaN, Number.POSITIVE_INFINITY]) {
        expect(yield* reasonOf(mobile.setCost(cost))).toMatchObject({ field: "cost" })
        expect(yield* reasonOf(connection.openPath({ cost }))).toMatchObject({ field: "cost" })
      }
      // one that is not there is nothing to wait for
      yield* stream.setPath({ prefer: 7 })
      yield* stream.write(Uint8Array.of(1))
      yield* stream.finish
      yield* upload(ends, 1_000, { prefer: 7 })
    })
  )
})

/** From sending a message until it is answered, less half the round trip of the answer: the delay of the message. */
const delayOf = Effect.fnUntraced(function* (ends: TwoLinks, path: PathPreference | undefined) {
  const startedAt = yield* Clock.currentTimeMillis
  const seen = ends.marks.length
  yield* ends.connection.sendMessage(Uint8Array.of(0xff), path === undefined ? {} : { path })
  while (ends.marks.length === seen) yield* Effect.sleep(1)
  return ends.marks[seen] - startedAt
})
