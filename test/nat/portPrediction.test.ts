/** How a NAT chooses ports, judged by what observers saw. */
import * as fc from "fast-check"
import { describe, expect, it } from "vitest"
import { predictPorts, spreadPorts } from "../../src/nat/PortPrediction.ts"
import { observed, OUTSIDE } from "./observed.ts"

const predict = (ports: ReadonlyArray<number>, count = 4, nowMicros = 0) =>
  predictPorts(observed(ports), nowMicros, count)[0]
const port = fc.integer({ min: 1024, max: 65_535 })
const inRange = (n: number) => 1024 + ((((n - 1024) % 64_512) + 64_512) % 64_512)

describe("E3 port prediction", () => {
  it("nothing is known from one observer, nor from several at one host that see the same", () => {
    expect(predict([4000])).toMatchObject({ pattern: "unknown", confidence: 0, ports: [] })
    const [one, other] = observed([4000, 4000])
    const sameHost = { ...other, observer: { ...one.observer, port: 7843 } }
    expect(predictPorts([one, sameHost], 0, 4)[0]).toMatchObject({ pattern: "unknown", confidence: 0 })
  })

  it("a port that all see is endpoint-independent, the surer the more there are", () => {
    expect(predict([4000, 4000])).toMatchObject({
      pattern: "endpointIndependent",
      confidence: 0.75,
      ports: []
    })
    expect(predict([4000, 4000, 4000]).confidence).toBe(0.875)
  })

  it.each([
    [[4000, 4001], 1, [4002, 4003, 4004, 4005]],
    [[4000, 4002, 4004, 4006, 4008, 4010], 2, [4012, 4014, 4016, 4018]],
    // a NAT that counts by one shows this as well, when others take ports now and then
    [[4000, 4002, 4004], 2, [4006, 4005, 4008, 4007]],
    [[4006, 4003, 4000], -3, [3997, 3999, 3994, 3998]],
    [[4000, 3999, 3998], -1, [3997, 3996, 3995, 3994]],
    [[65_534, 65_535], 1, [1024, 1025, 1026, 1027]],
    [[65_535, 1024], 1, [1025, 1026, 1027, 1028]],
    // two went to somebody else
    [[4000, 4003, 4004], 1, [4005, 4006, 4007, 4008]]
  ])("sequential: after %j, by %i come %j", (ports, stride, next) => {
    expect(predict(ports)).toMatchObject({ pattern: "sequential", stride, ports: next, host: OUTSIDE })
  })

  it("is the surer the more regular the steps, and the less the older they are", () => {
    const sure = (ports: ReadonlyArray<number>, now = 0) => predict(ports, 4, now).confidence
    expect(sure([1, 2, 3, 4].map((i) => 4000 + i))).toBeGreaterThan(sure([4001, 4002]))
    expect(sure([4000, 4001, 4002])).toBeGreaterThan(sure([4000, 4003, 4004]))
    expect(sure([4000, 4001], 30_000_000 + 1000)).toBeCloseTo(sure([4000, 4001], 1000) / 2)
  })

  it("the order is that of the mappings, whichever answer came first; of an observer, the latest counts", () => {
    const seen = observed([4000, 4001, 4002])
    expect(predictPorts([...seen].reverse(), 0, 1)[0]).toMatchObject({ stride: 1, ports: [4003] })
    const renewed = { ...seen[0], mapped: { ...seen[0].mapped, port: 4003 }, atMicros: 9000 }
    expect(predictPorts([...seen, renewed], 0, 1)[0]).toMatchObject({ observers: 3, ports: [4004] })
  })

  it("each socket and each outside address has its own", () => {
    const other = observed([7000, 7002]).map((seen) => ({ ...seen, socket: 1 }))
    const elsewhere = observed([9000]).map((seen) => ({
      ...seen,
      mapped: { ...seen.mapped, host: "203.0.113.10" }
    }))
    const all = predictPorts([...observed([4000, 4001]), ...other, ...elsewhere], 0, 1)
    expect(all.map(({ host, stride, ports }) => [host, stride, ports])).toEqual([
      [OUTSIDE, 1, [4002]],
      [OUTSIDE, 2, [7004]],
      ["203.0.113.10", 0, []]
    ])
  })

  it("steps in both directions, or too far, are random: there is a range and no port", () => {
    expect(predict([4000, 4010, 4005])).toMatchObject({
      pattern: "random",
      ports: [],
      lowest: 3995,
      highest: 4015
    })
    expect(predict([2000, 60_000])).toMatchObject({ pattern: "random", lowest: 1024, highest: 65_535 })
  })

  it("any sequential NAT is recognised, and the next mappings are predicted", () => {
    const stride = fc.integer({ min: -8, max: 8 }).filter((n) => n !== 0)
    fc.assert(
      fc.property(port, stride, fc.integer({ min: 2, max: 8 }), (first, by, count) => {
        const ports = Array.from({ length: count }, (_, i) => inRange(first + i * by))
        const prediction = predict(ports, 6)
        expect(prediction.pattern).toBe("sequential")
        expect(prediction.ports[0]).toBe(inRange(first + count * by))
        for (const i of [1, 2]) expect(prediction.ports).toContain(inRange(first + (count + i) * by))
      })
    )
  })

  it("whatever is observed, confidence is from 0 to 1 and ports are ports, as many as asked for", () => {
    fc.assert(
      fc.property(
        fc.array(fc.integer({ min: 1, max: 65_535 }), { minLength: 1, maxLength: 80 }),
        fc.nat(40),
        (ports, count) => {
          const { confidence, ports: next, lowest, highest, observers } = predict(ports, count, 5_000_000)
          expect(confidence).toBeGreaterThanOrEqual(0)
          expect(confidence).toBeLessThanOrEqual(1)
          expect(next.length === 0 || next.length === count).toBe(true)
          expect(new Set(next).size).toBe(next.length)
          for (const n of [...next]) expect(n >= 1024 && n <= 65_535).toBe(true)
          expect(lowest).toBeLessThanOrEqual(highest)
          expect(observers).toBeLessThanOrEqual(64)
        }
      )
    )
  })
})

describe("E3 a spread over random ports", () => {
  const seeded = (seed: number) => (length: number) => {
    const bytes = new Uint8Array(length)
    for (let i = 0; i < length; i++) {
      seed = (Math.imul(seed, 1_103_515_245) + 12_345) >>> 0
      bytes[i] = seed >>> 16
    }
    return bytes
  }

  it("tries each port of the range once, and none that was tried before, within its budget", () => {
    const range = fc.tuple(port, fc.nat(500)).map(([lowest, width]) => ({
      lowest,
      highest: Math.min(65_535, lowest + width),
      confidence: 1
    }))
    fc.assert(
      fc.property(
        range,
        fc.nat(100),
        fc.array(fc.nat(500)),
        fc.nat(),
        ({ lowest, highest, confidence }, budget, before, seed) => {
          const tried = new Set(before.map((n) => lowest + n))
          const { ports, hitProbability } = spreadPorts(
            { lowest, highest, confidence },
            budget,
            seeded(seed),
            tried
          )
          expect(ports.length).toBeLessThanOrEqual(budget)
          expect(new Set(ports).size).toBe(ports.length)
          for (const n of ports) expect(n >= lowest && n <= highest && !tried.has(n)).toBe(true)
          expect(hitProbability).toBeLessThanOrEqual(1)
        }
      )
    )
  })

  it("hits a block of 256 ports in four cases of ten with 64 probes, and says beforehand how likely that is", () => {
    const random = seeded(7)
    const draw = () => 40_000 + (random(1)[0] ?? 0)
    let hits = 0
    let expected = 0
    for (let i = 0; i < 400; i++) {
      const prediction = predict([draw(), draw(), draw(), draw()])
      if (prediction.pattern !== "random") continue
      const { ports, hitProbability } = spreadPorts(prediction, 64, random)
      expected += hitProbability
      if (ports.includes(draw())) hits++
    }
    expect(hits).toBeGreaterThan(60)
    expect(Math.abs(hits - expected) / hits).toBeLessThan(0.4)
  })

  it("over all ports it is a lottery, and says so", () => {
    const { ports, hitProbability } = spreadPorts(
      { lowest: 1024, highest: 65_535, confidence: 0.5 },
      64,
      seeded(1)
    )
    expect(ports).toHaveLength(64)
    expect(hitProbability).toBeLessThan(0.001)
  })
})
