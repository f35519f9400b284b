import * as fc from "fast-check"
import { describe, expect, it } from "vitest"
import type { FaultSchedule } from "../../layers/sim/index.ts"
import { fewer, RunBudget, simplerNumbers, simplest } from "../../layers/sim/shrink.ts"
import { shrinkSchedule } from "../../layers/sim/shrinkSchedule.ts"

describe("shrinking a list", () => {
  it("keeps exactly the needed items, in order", async () => {
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

  it("stops at its run budget and returns the best so far", async () => {
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

  it("simplifies each item as far as possible", async () => {
    const stillFails = ([a, b]: ReadonlyArray<number>) => Promise.resolve(a + b >= 1_500)
    const [a, b] = await simplest([4_321, 977], simplerNumbers, stillFails)
    expect(a + b).toBeLessThan(4_321)
    expect(a + b).toBeGreaterThanOrEqual(1_500)
    for (const smaller of simplerNumbers(a)) expect(smaller + b).toBeLessThan(1_500)
    for (const smaller of simplerNumbers(b)) expect(a + smaller).toBeLessThan(1_500)
  })

  it("tries only smaller numbers", () => {
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

describe("shrinking a fault schedule", () => {
  const schedule: FaultSchedule = [
    { atMillis: 10, fault: { kind: "crash", host: "a", forMillis: 5 } },
    {
      atMillis: 2_345,
      fault: { kind: "conditions", link: "l", conditions: { mtu: 1_300, lossRate: 1 }, forMillis: 777 }
    },
    { atMillis: 9_000, fault: { kind: "rebind", nat: "n" } }
  ]

  it("keeps the one fault, the one condition and the shortest duration that are needed", async () => {
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

  it("keeps no fault if the failure does not need one", async () => {
    expect(await shrinkSchedule(schedule, () => Promise.resolve(true))).toEqual({ schedule: [], runs: 1 })
  })
})
