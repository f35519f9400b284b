import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import { describe, expect, it } from "vitest"
import { changed, type LinkConditions, perfectLink } from "../../layers/sim/linkConditions.ts"
import { type DelayModel, delayOf } from "../../layers/sim/delayModel.ts"
import { LossProcess, type LossModel } from "../../layers/sim/LossModel.ts"
import { PacketQueue } from "../../layers/sim/PacketQueue.ts"
import type { SimPacket } from "../../layers/sim/SimPacket.ts"
import { addressOf } from "./arrivals.ts"
import { SeededRandom } from "../../layers/sim/SeededRandom.ts"
import { pair, pattern, readAll } from "../api/pair.ts"
import { simWorld } from "../api/World.ts"
import { itSim } from "./itSim.ts"

const draws = 20_000

const delays = (model: DelayModel): Array<number> => {
  const random = new SeededRandom(`delays ${model.kind}`)
  return Array.from({ length: draws }, () => delayOf(model, random)).sort((a, b) => a - b)
}

const mean = (values: ReadonlyArray<number>): number =>
  values.reduce((sum, value) => sum + value, 0) / values.length

const quantile = (sorted: ReadonlyArray<number>, share: number): number =>
  sorted[Math.floor(share * sorted.length)]

describe("a delay model", () => {
  it("fixed: never changes", () => {
    expect(new Set(delays({ kind: "fixed", millis: 7 }))).toEqual(new Set([7]))
  })

  it("uniform: is spread evenly between its bounds", () => {
    const all = delays({ kind: "uniform", millis: 10, jitterMillis: 4 })
    expect(all[0]).toBeGreaterThanOrEqual(10)
    expect(all.at(-1)).toBeLessThan(14)
    expect(quantile(all, 0.25)).toBeCloseTo(11, 1)
    expect(quantile(all, 0.75)).toBeCloseTo(13, 1)
  })

  it("normal: has the given mean and deviation, and is never negative", () => {
    const all = delays({ kind: "normal", meanMillis: 50, deviationMillis: 5 })
    expect(Math.abs(mean(all) - 50)).toBeLessThan(0.2)
    // One standard deviation on either side of the mean holds 68.3 % of a normal distribution.
    expect(Math.abs(quantile(all, 0.8413) - 55)).toBeLessThan(0.3)
    expect(Math.abs(quantile(all, 0.1587) - 45)).toBeLessThan(0.3)
    expect(delays({ kind: "normal", meanMillis: 1, deviationMillis: 10 })[0]).toBe(0)
  })

  it("heavy-tailed: has the expected median, mean, tail and maximum", () => {
    const all = delays({ kind: "pareto", minMillis: 10, shape: 2, maxMillis: 500 })
    expect(all[0]).toBeGreaterThanOrEqual(10)
    expect(all.at(-1)).toBeLessThanOrEqual(500)
    // Quantile q of a Pareto distribution is minimum / (1 - q) ** (1 / shape).
    expect(Math.abs(quantile(all, 0.5) - 14.14)).toBeLessThan(0.3)
    expect(Math.abs(quantile(all, 0.99) - 100)).toBeLessThan(10)
    expect(Math.abs(mean(all) - 20)).toBeLessThan(1)
  })
})

/** The loss rate, and the mean length of runs of lost packets. */
const bursts = (model: LossModel): { readonly rate: number; readonly meanBurst: number } => {
  const random = new SeededRandom("bursts")
  const process = new LossProcess()
  let lost = 0
  let runs = 0
  let before = false
  for (let i = 0; i < 200_000; i++) {
    const now = process.loses(model, random)
    if (now) lost++
    if (now && !before) runs++
    before = now
  }
  return { rate: lost / 200_000, meanBurst: lost / runs }
}

describe("a loss model", () => {
  it("independent: loses in runs as short as chance makes them", () => {
    const { rate, meanBurst } = bursts({ kind: "independent", rate: 0.1 })
    expect(rate).toBeCloseTo(0.1, 2)
    expect(meanBurst).toBeCloseTo(1 / 0.9, 1)
  })

  it("Gilbert-Elliott: loses in bursts of the requested length and rate", () => {
    const { rate, meanBurst } = bursts({ kind: "gilbertElliott", toBad: 0.01, toGood: 0.2 })
    expect(Math.abs(rate - 0.01 / 0.21)).toBeLessThan(0.004)
    expect(Math.abs(meanBurst - 5)).toBeLessThan(0.3)
  })

  it("Gilbert-Elliott: has separate rates in the good and the bad state", () => {
    const { rate } = bursts({
      kind: "gilbertElliott",
      toBad: 0.1,
      toGood: 0.1,
      lossInBad: 0.5,
      lossInGood: 0.1
    })
    expect(Math.abs(rate - 0.3)).toBeLessThan(0.01)
  })
})

describe("a link's conditions", () => {
  const say = (...said: ReadonlyArray<Partial<LinkConditions>>) =>
    said.reduce((model, changes) => changed(model, changes), perfectLink)

  it("expand shorthand to the full form", () => {
    expect(say({ delayMillis: 5 }).delay).toEqual({ kind: "fixed", millis: 5 })
    expect(say({ jitterMillis: 2 }, { delayMillis: 5 }).delay).toEqual({
      kind: "uniform",
      millis: 5,
      jitterMillis: 2
    })
    expect(say({ lossRate: 0.1 }).loss).toEqual({ kind: "independent", rate: 0.1 })
    expect(say({ queue: { kind: "codel" } }, { queueBytes: 9000 }).queue).toEqual({
      kind: "codel",
      maxBytes: 9000
    })
    expect(say({ queueBytes: 9000 }, { markAboveBytes: 3000 }).queue).toEqual({
      kind: "tailDrop",
      maxBytes: 9000,
      markAboveBytes: 3000
    })
  })

  it.each([
    [{ lossRate: 1.5 }, "link.loss.rate must be a number from 0 to 1, but is 1.5"],
    [{ delayMillis: -1 }, "link.delay.millis must be a number from 0 to 86400000, but is -1"],
    [{ mtu: Number.NaN }, "link.mtu must be a number from 68 to Infinity, but is NaN"],
    [{ bitsPerSecond: 0 }, "link.bitsPerSecond must be a number from 1 to Infinity, but is 0"],
    [{ delay: { kind: "pareto", minMillis: 1, shape: 0.5 } }, "link.delay.shape must be"],
    [{ queue: { kind: "codel", maxPackets: 1.5 } }, "link.queue.maxPackets must be an integer"],
    [{ queue: { kind: "red" } }, 'link.queue.kind must be one of tailDrop, codel, but is "red"'],
    [{ loss: { kind: "gilbertElliott", toBad: 2, toGood: 0 } }, "link.loss.toBad must be"],
    [{ delaymillis: 5 }, "link.delaymillis is unknown"],
    [{ loss: { kind: "independent", rate: 0, toBad: 1 } }, "link.loss.toBad is unknown"]
  ] as ReadonlyArray<[Partial<LinkConditions>, string]>)("reject invalid values: %j", (changes, message) => {
    expect(() => changed(perfectLink, changes)).toThrow(message)
  })
})

describe("CoDel's control law", () => {
  const packet: SimPacket = {
    from: addressOf("10.0.0.1", 1),
    to: addressOf("10.0.0.2", 2),
    bytes: new Uint8Array(972),
    ecn: 0,
    dontFragment: true,
    ttl: 64,
    origin: "a"
  }

  /** Starts with 200 queued packets and sends one per millisecond; returns when packets are dropped. */
  const dropTimes = (targetMillis: number): Array<number> => {
    const times: Array<number> = []
    let millis = 0
    const model = { kind: "codel", targetMillis, intervalMillis: 100 } as const
    const queue = new PacketQueue(
      model,
      () => times.push(millis),
      () => {}
    )
    for (let i = 0; i < 400; i++) queue.push(packet, 1000, 0)
    for (; millis < 350; millis++) {
      const next = queue.take(millis * 1e6)
      if (next !== undefined) queue.sent(next)
    }
    return times
  }

  it("drops after one interval above the target, then ever sooner: interval / sqrt(count)", () => {
    // Drops at 105, then 100, 100 / sqrt(2) and 100 / sqrt(3) later, each at the next packet sent.
    expect(dropTimes(5)).toEqual([105, 205, 276, 334])
  })

  it("drops nothing while the sojourn time is below the target", () => {
    expect(dropTimes(500)).toEqual([])
  })
})

/** An upload over a link of 10 Mbit/s with an RTT of 40 ms; samples the queueing delay, in milliseconds. */
const upload = Effect.fnUntraced(function* (conditions: Partial<LinkConditions>) {
  const world = yield* simWorld
  const cable = world.cable!
  cable.set({ delayMillis: 20 })
  cable.forward.set({ bitsPerSecond: 10e6, ...conditions })
  const { near, far } = yield* pair(world)
  const out = yield* near.openUni
  yield* Effect.forkScoped(Effect.andThen(out.write(pattern(10_000_000)), out.finish))
  const waits: Array<number> = []
  const sample = Effect.sync(() => waits.push((cable.forward.queuedBytes * 8) / 10e3))
  yield* Effect.forkScoped(Effect.forever(Effect.andThen(sample, Effect.sleep(5))))
  const begun = yield* Clock.currentTimeMillis
  const received = yield* readAll(yield* far.acceptUni)
  const millis = (yield* Clock.currentTimeMillis) - begun
  // Skips the first second: CoDel deliberately lets the initial burst pass.
  const steady = waits.slice(200, Math.floor(millis / 5)).sort((a, b) => a - b)
  const { queueFull, marked } = cable.forward.counters
  return {
    received: received.length,
    mbps: (received.length * 8) / millis / 1000,
    wait: quantile(steady, 0.5),
    queueFull,
    marked
  }
})

describe("a queue", () => {
  itSim("that drops its tail stands as long as it can", () =>
    Effect.gen(function* () {
      const { received, wait } = yield* upload({ queueBytes: 250_000 })
      expect(received).toBe(10_000_000)
      expect(wait).toBeGreaterThan(50)
    })
  )

  itSim("that limits packets drops what is too many", () =>
    Effect.gen(function* () {
      const { received, wait, queueFull } = yield* upload({ queue: { kind: "tailDrop", maxPackets: 20 } })
      expect(received).toBe(10_000_000)
      expect(queueFull).toBeGreaterThan(0)
      expect(wait).toBeLessThanOrEqual((20 * 1500 * 8) / 10e3)
    })
  )

  itSim("under CoDel stands near its target below a QUIC upload, and the link stays busy", () =>
    Effect.gen(function* () {
      const { received, wait, mbps, queueFull, marked } = yield* upload({ queue: { kind: "codel" } })
      expect(received).toBe(10_000_000)
      expect(wait).toBeLessThan(10)
      expect(mbps).toBeGreaterThan(7)
      expect(queueFull).toBeGreaterThan(0)
      expect(marked).toBe(0)
    })
  )

  itSim("under CoDel with ECN marks packets instead of dropping them", () =>
    Effect.gen(function* () {
      const { wait, queueFull, marked, mbps } = yield* upload({ queue: { kind: "codel", ecn: true } })
      expect(wait).toBeLessThan(10)
      expect(mbps).toBeGreaterThan(7)
      expect(marked).toBeGreaterThan(0)
      expect(queueFull).toBe(0)
    })
  )
})
