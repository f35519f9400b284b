import fc from "fast-check"
import { describe, expect, it } from "vitest"
import { RetiredSequences } from "../../src/path/RetiredSequences.ts"

describe("the set of retired sequence numbers", () => {
  it("behaves like a set while it has few gaps", () => {
    const operation = fc.oneof(fc.record({ add: fc.nat(40) }), fc.record({ below: fc.nat(40) }))
    fc.assert(
      fc.property(fc.array(operation, { maxLength: 40 }), (operations) => {
        const retired = new RetiredSequences()
        const model = new Set<number>()
        for (const step of operations) {
          if ("add" in step) {
            retired.add(step.add)
            model.add(step.add)
          } else {
            retired.addBelow(step.below)
            for (let i = 0; i < step.below; i++) model.add(i)
          }
        }
        for (let i = 0; i < 45; i++) {
          expect(retired.has(i)).toBe(model.has(i))
          let next = i
          while (model.has(next)) next++
          expect(retired.nextMissing(i)).toBe(next)
          let missing = 0
          for (let j = 0; j < i; j++) if (!model.has(j)) missing++
          expect(retired.missingBelow(i)).toBe(missing)
        }
      })
    )
  })

  it("is bounded: with too many gaps the lowest count as retired", () => {
    const retired = new RetiredSequences()
    for (let i = 0; i < 10_000; i++) retired.add(2 * i)
    // the highest 32 ranges are kept; gaps below them count as retired
    expect(retired.missingBelow(2 * 9_999 + 1)).toBe(31)
    expect(retired.has(1)).toBe(true)
    expect(retired.has(2 * 9_999 - 1)).toBe(false)
    expect(retired.has(2 * 9_999)).toBe(true)
    expect(retired.nextMissing(0)).toBeGreaterThan(19_000)
  })

  it("counts what is missing below any number, without iterating up to it", () => {
    const retired = new RetiredSequences()
    retired.add(7)
    expect(retired.missingBelow(2 ** 52)).toBe(2 ** 52 - 1)
  })
})
