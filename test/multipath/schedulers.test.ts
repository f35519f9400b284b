/** D4: the policies, by what they choose and by what they carry over two links in the simulator. */
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import { describe, expect, it } from "vitest"
import type { PathScheduler, SchedulerPath, SendDemand } from "../../src/capability/PathScheduling.ts"
import { PathScheduling } from "../../src/index.ts"
import * as schedulers from "../../src/path/schedulers.ts"
import { itSim } from "../sim/itSim.ts"
import { MOBILE, twoLinks, upload } from "./twoLinks.ts"

const MEGABYTE = 1_000_000

/** 20 ms and 50 Mbit/s, in congestion avoidance; nothing in flight. */
const path = (id: number, given: Partial<SchedulerPath> = {}): SchedulerPath => {
  const { smoothedRttMicros = 20_000, congestionWindow = 125_000 } = given
  return {
    id,
    smoothedRttMicros,
    rttVariationMicros: smoothedRttMicros / 10,
    latestRttMicros: smoothedRttMicros,
    congestionWindow,
    slowStartThreshold: congestionWindow,
    bytesInFlight: 0,
    bytesSent: 0,
    datagramBytes: 1_200,
    rate: congestionWindow / smoothedRttMicros,
    cost: 0,
    hasRoom: true,
    ...given
  }
}
const full = { bytesInFlight: 125_000, hasRoom: false }
const demand = (unsent: number, creditBytes = 10 * MEGABYTE): SendDemand => ({
  unsentBytes: (most) => Math.min(most, unsent),
  creditBytes
})
const chosen = (scheduler: PathScheduler, paths: ReadonlyArray<SchedulerPath>, unsent = MEGABYTE) =>
  scheduler.choose(paths, demand(unsent)).map(({ id }) => id)

const slow = path(1, { smoothedRttMicros: 200_000 })

describe("D4: a scheduler", () => {
  it("earliest takes the path of the earliest arrival, and waits for it with what is left of a message", () => {
    const scheduler = schedulers.earliest()
    expect(chosen(scheduler, [slow, path(0)])).toEqual([0, 1])
    // the queue of the fast one costs more than the way of the other
    const queued = path(0, { bytesInFlight: 100_000 })
    expect(chosen(scheduler, [queued, path(1, { smoothedRttMicros: 30_000 })])).toEqual([1, 0])
    expect(chosen(scheduler, [path(0, full), slow])).toEqual([0, 1])
    expect(chosen(scheduler, [path(0, full), slow], 64)).toEqual([0])
  })

  it("minRTT takes the lowest round-trip time, whatever is in flight", () => {
    expect(chosen(schedulers.minRtt(), [slow, path(0, full)])).toEqual([0, 1])
  })

  it("weighted evens out what was sent in proportion to the weights", () => {
    const sent = [path(0, { bytesSent: 3_000 }), path(1, { bytesSent: 2_000 })]
    expect(chosen(schedulers.weighted(), sent)).toEqual([1, 0])
    expect(
      chosen(
        schedulers.weighted(({ id }) => (id === 0 ? 2 : 1)),
        sent
      )
    ).toEqual([0, 1])
    expect(
      chosen(
        schedulers.weighted(() => 0),
        sent
      )
    ).toHaveLength(2)
  })

  it("weighted divides anew whenever a path joins or leaves: a newcomer has nothing to catch up with", () => {
    const scheduler = schedulers.weighted(({ id }) => (id === 0 ? 2 : 1))
    const sent = [0, 0, 0]
    const paths = sent.map((_, id) =>
      Object.defineProperty({ ...path(id) }, "bytesSent", { get: () => sent[id] })
    )
    /** How many of 90 datagrams each path carries. */
    const carriedBy = (...ids: ReadonlyArray<number>) => {
      const before = [...sent]
      for (let i = 0; i < 90; i++) {
        const [first] = chosen(
          scheduler,
          ids.map((id) => paths[id])
        )
        sent[first] += 1_000
      }
      return sent.map((bytes, id) => (bytes - before[id]) / 1_000)
    }
    for (const id of [0, 1]) scheduler.onAdded!(paths[id])
    expect(carriedBy(0, 1)).toEqual([60, 30, 0])
    sent[0] += MEGABYTE
    scheduler.onAdded!(paths[2])
    const [first, ...others] = carriedBy(0, 1, 2)
    expect(first).toBeCloseTo(45, -0.5)
    for (const each of others) expect(each).toBeCloseTo(22.5, -0.5)
    scheduler.onRemoved!(paths[0])
    expect(carriedBy(1, 2)).toEqual([0, 45, 45])
  })

  it("ECF waits for the fast path if that delivers the rest earlier, and then a little longer", () => {
    const scheduler = schedulers.ecf()
    expect(chosen(scheduler, [path(0, full), slow], 10 * MEGABYTE)).toEqual([0, 1])
    expect(chosen(scheduler, [path(0, full), slow], 64)).toEqual([0])
    expect(chosen(scheduler, [path(0, full), path(1, { smoothedRttMicros: 30_000 })], 64)).toEqual([0, 1])
    expect(chosen(scheduler, [path(0), slow], 64)).toEqual([0, 1])
  })

  it("BLEST leaves the slow path alone when the send window would be full before it has delivered", () => {
    const scheduler = schedulers.blest()
    const paths = [path(0, full), slow]
    expect(scheduler.choose(paths, demand(MEGABYTE, 100 * MEGABYTE))).toHaveLength(2)
    expect(scheduler.choose(paths, demand(MEGABYTE, 300_000)).map(({ id }) => id)).toEqual([0])
    expect(scheduler.choose([path(0), slow], demand(MEGABYTE, 300_000))).toHaveLength(2)
  })
})

/** Each with a queue of one bandwidth-delay product. */
const shaped = {
  wifi: { bitsPerSecond: 50e6, delayMillis: 10, queueBytes: 125_000 },
  mobile: { bitsPerSecond: 20e6, delayMillis: 30, queueBytes: 150_000 },
  transport: { maxPaths: 2, sendBufferBytes: 8 * 1024 * 1024 }
}

describe("D4, D7: over two links", () => {
  for (const [name, scheduling] of [
    ["earliest", PathScheduling.layerEarliest],
    ["minRTT", PathScheduling.layerMinRtt],
    ["BLEST", PathScheduling.layerBlest],
    ["ECF", PathScheduling.layerEcf],
    ["aggregate", PathScheduling.layerAggregate],
    ["weighted", PathScheduling.layerWeighted(({ id }) => (id === 0 ? 5 : 2))]
  ] as const)
    itSim(
      `${name} carries far more than the better one, and stops for less than 200 ms when that is lost`,
      () =>
        Effect.gen(function* () {
          const ends = yield* twoLinks({ ...shaped, scheduling })
          yield* ends.connection.openPath({ local: { host: MOBILE } })
          yield* upload(ends, 5 * MEGABYTE)
          const { bitsPerSecond, received } = yield* upload(ends, 15 * MEGABYTE)
          expect(received).toBe(15 * MEGABYTE)
          expect(bitsPerSecond).toBeGreaterThan(58e6)
          const uploading = yield* Effect.forkChild(upload(ends, 6 * MEGABYTE))
          yield* Effect.sleep(500)
          ends.links.wifi.set({ up: false })
          const cut = yield* Fiber.join(uploading)
          expect(cut.received).toBe(6 * MEGABYTE)
          expect(cut.longestGapMillis).toBeLessThan(200)
        })
    )

  itSim("redundant loses no time with a message when one of them loses everything", () =>
    Effect.gen(function* () {
      const ends = yield* twoLinks({ ...shaped, scheduling: PathScheduling.layerRedundant })
      yield* ends.connection.openPath({ local: { host: MOBILE } })
      for (let i = 0; i < 20; i++) yield* upload(ends, 1_000)
      ends.links.wifi.set({ up: false })
      // a round trip of the other, and a delayed acknowledgement
      for (let i = 0; i < 20; i++) expect((yield* upload(ends, 1_000)).millis).toBeLessThan(90)
    })
  )
})
