/** The detector alone: how suspicion depends on silence, on what was usual before, and on nothing else. */
import * as fc from "fast-check"
import { describe, expect, it } from "vitest"
import { LivenessMonitor } from "../../src/recovery/LivenessMonitor.ts"
import { PhiAccrual } from "../../src/recovery/PhiAccrual.ts"

const settings = { firstEstimateMillis: 1000, acceptablePauseMillis: 0, minDeviationMillis: 100, samples: 50 }
const intervals = fc.array(fc.double({ min: 0, max: 60_000, noNaN: true }), { maxLength: 120 })
const silence = fc.double({ min: 0, max: 1e9, noNaN: true })

const afterSeeing = (seen: ReadonlyArray<number>, changes: Partial<typeof settings> = {}): PhiAccrual => {
  const detector = new PhiAccrual({ ...settings, ...changes })
  for (const each of seen) detector.add(each)
  return detector
}

describe("C8: phi", () => {
  it("is finite and not negative, and grows with the silence", () => {
    fc.assert(
      fc.property(intervals, silence, silence, (seen, a, b) => {
        const detector = afterSeeing(seen)
        const [less, more] = [detector.phi(Math.min(a, b)), detector.phi(Math.max(a, b))]
        expect(less).toBeGreaterThanOrEqual(0)
        expect(more).toBeGreaterThanOrEqual(less)
        expect(more).toBeLessThan(Number.POSITIVE_INFINITY)
      })
    )
  })

  it("is what it would be without a pause, that much earlier", () => {
    fc.assert(
      fc.property(intervals, silence, fc.integer({ min: 0, max: 10_000 }), (seen, silent, pause) => {
        const patient = afterSeeing(seen, { acceptablePauseMillis: pause }).phi(silent + pause)
        const impatient = afterSeeing(seen).phi(silent)
        expect(Math.abs(patient - impatient)).toBeLessThanOrEqual(1e-6 * (1 + impatient))
      })
    )
  })

  it("depends on the latest intervals only, by their true mean and deviation", () => {
    fc.assert(
      fc.property(
        intervals,
        fc.array(fc.integer({ min: 0, max: 5000 }), { minLength: 50, maxLength: 50 }),
        (old, latest) => {
          const detector = afterSeeing([...old, ...latest])
          const mean = latest.reduce((sum, each) => sum + each, 0) / 50
          const variance = latest.reduce((sum, each) => sum + (each - mean) ** 2, 0) / 50
          expect(detector.meanMillis).toBeCloseTo(mean, 6)
          expect(detector.deviationMillis).toBeCloseTo(Math.max(100, Math.sqrt(variance)), 3)
        }
      )
    )
  })

  // of a normal distribution: half of all is above the mean, 15.9 % above one deviation, 2.28 % above two
  it("is the logarithm of the probability of such a silence", () => {
    const detector = afterSeeing(new Array(50).fill(1000))
    expect(10 ** -detector.phi(1000)).toBeCloseTo(0.5, 3)
    expect(10 ** -detector.phi(1100)).toBeCloseTo(0.1587, 3)
    expect(10 ** -detector.phi(1200)).toBeCloseTo(0.0228, 3)
  })
})

describe("C8: a watch", () => {
  const options = {
    heartbeatMillis: 1000,
    acceptablePauseMillis: 3000,
    minDeviationMillis: 100,
    samples: 200,
    suspectAt: 8
  }
  const PTO = 100

  it("asks for a sign of life once per heartbeat of silence, and never while there is traffic", () => {
    const monitor = new LivenessMonitor(options, 0, 0)
    const asked: Array<number> = []
    for (let now = 200; now <= 5000; now += 200) if (monitor.look(now, 0, PTO)) asked.push(now)
    expect(asked).toEqual([1000, 2000, 3000, 4000, 5000])
    const busy = new LivenessMonitor(options, 0, 0)
    for (let now = 200; now <= 60_000; now += 200) expect(busy.look(now, now - 7, PTO)).toBe(false)
  })

  it("does not take a quiet time for death after a busy one", () => {
    const monitor = new LivenessMonitor(options, 0, 0)
    let now = 200
    for (; now <= 600_000; now += 200) monitor.look(now, now - 1, PTO)
    for (const end = now + 3800; now <= end; now += 200) monitor.look(now, 600_000, PTO)
    expect(monitor.isSuspected).toBe(false)
  })

  it("counts no time in which it did not look, whenever that was", () => {
    fc.assert(
      fc.property(
        fc.array(fc.record({ late: fc.boolean(), by: fc.integer({ min: 1000, max: 3_600_000 }) }), {
          maxLength: 20
        }),
        (looks) => {
          const monitor = new LivenessMonitor(options, 0, 0)
          let now = 0
          for (const { late, by } of looks) {
            now += late ? by : 200
            monitor.look(now, 0, PTO)
          }
          expect(monitor.silenceMillis).toBe(200 * looks.length)
        }
      )
    )
  })

  it("accepts a pause of three probe timeouts, however long they are", () => {
    const suspectedAfter = (pto: number): number => {
      const monitor = new LivenessMonitor(options, 0, 0)
      let now = 0
      while (!monitor.isSuspected) monitor.look((now += 200), 0, pto)
      return now
    }
    expect(suspectedAfter(100)).toBe(suspectedAfter(1000))
    expect(suspectedAfter(5000)).toBeGreaterThan(15_000)
  })

  it("does not learn from a silence that it took for death", () => {
    const monitor = new LivenessMonitor(options, 0, 0)
    let now = 0
    const death = (heardAt: number): number => {
      const begun = now
      while (!monitor.isSuspected) monitor.look((now += 200), heardAt, PTO)
      return now - begun
    }
    const first = death(0)
    monitor.look((now += 200), now, PTO)
    expect(monitor.isSuspected).toBe(false)
    expect(death(now)).toBe(first)
  })
})
