import * as fc from "fast-check"
import { describe, expect, it } from "vitest"
import type { FaultSchedule } from "../../layers/sim/index.ts"
import { fewer, RunBudget, simplerNumbers, simplest } from "../../layers/sim/shrink.ts"
import { shrinkSchedule } from "../../layers/sim/shrinkSchedule.ts"

describe("making a list small", () => {
  it("keeps what is needed and nothing else, whatever that is, in its order", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.uniqueArray(fc.nat(100), { maxLength: 40 }),
        fc.func(fc.boolean()),
        async (items, picks) => {
          const needed = items.filter((item) => picks(item))
          const stillFails = (some: ReadonlyArray<number>) =>
            Promise.resolve(needed.every((item) => some.includes(item)))
          expect(await fewer(items, stillFails, new RunBudget({ maxRuns: 10_000 }))).toEqual(needed)
        }
      )
    )
  })

  it("takes no more runs than it may, and returns what it has by then", async () => {
    const items = Array.from({ length: 100 }, (_, i) => i)
    let runs = 0
    const stillFails = (some: ReadonlyArray<number>) => {
      runs++
      return Promise.resolve(some.includes(3) && some.includes(97))
    }
    const some = await fewer(items, stillFails, new RunBudget({ maxRuns: 7 }))
    expect(runs).toBe(7)
    expect(some).toContain(3)
    expect(some).toContain(97)
    expect(await fewer(items, stillFails, new RunBudget({ maxRuns: 0 }))).toEqual(items)
  })

  it("makes each item as simple as it can be", async () => {
    const stillFails = ([a, b]: ReadonlyArray<number>) => Promise.resolve(a + b >= 1_500)
    const [a, b] = await simplest([4_321, 977], simplerNumbers, stillFails)
    expect(a + b).toBeLessThan(4_321)
    expect(a + b).toBeGreaterThanOrEqual(1_500)
    for (const smaller of simplerNumbers(a)) expect(smaller + b).toBeLessThan(1_500)
    for (const smaller of simplerNumbers(b)) expect(a + smaller).toBeLessThan(1_500)
  })

  it("tries only numbers that are smaller", () => {
    fc.assert(
      fc.property(fc.double({ min: 0, max: 1e9, noNaN: true }), fc.nat(10), (value, least) => {
        for (const candidate of simplerNumbers(value, least)) {
          expect(candidate).toBeLessThan(value)
          expect(candidate).toBeGreaterThanOrEqual(least)
        }
      })
    )
  })
})

describe("making a schedule of faults small", () => {
  const schedule: FaultSchedule = [
    { atMillis: 10, fault: { kind: "crash", host: "a", forMillis: 5 } },
    {
      atMillis: 2_345,
      fault: { kind: "conditions", link: "l", conditions: { mtu: 1_300, lossRate: 1 }, forMillis: 777 }
    },
    { atMillis: 9_000, fault: { kind: "rebind", nat: "n" } }
  ]

  it("leaves the one fault, the one condition and the least of its time that it takes", async () => {
    const stillFails = (some: FaultSchedule) =>
      Promise.resolve(
        some.some(({ atMillis, fault }) => {
          if (fault.kind !== "conditions") return false
          return fault.conditions.lossRate === 1 && atMillis >= 1_000 && (fault.forMillis ?? 0) >= 100
        })
      )
    const small = await shrinkSchedule(schedule, stillFails)
    expect(small.schedule).toEqual([
      {
        atMillis: 1_000,
        fault: { kind: "conditions", link: "l", conditions: { lossRate: 1 }, forMillis: 100 }
      }
    ])
    expect(await shrinkSchedule(schedule, stillFails)).toEqual(small)
  })

  it("leaves none where it fails without", async () => {
    expect(await shrinkSchedule(schedule, () => Promise.resolve(true))).toEqual({ schedule: [], runs: 1 })
  })
})
