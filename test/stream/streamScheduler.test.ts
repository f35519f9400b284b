/** B9, D4: whose turn it is, of entries with priorities and hints. */
import { describe, expect, it } from "vitest"
import { ANY_PATH, preferringPath } from "../../src/path/pathHint.ts"
import { StreamScheduler } from "../../src/stream/StreamScheduler.ts"
import { Turn } from "../../src/stream/TurnRing.ts"

const there = preferringPath(1)

const make = () => {
  const admitted = new Set([ANY_PATH, there])
  const scheduler = new StreamScheduler<string>({ admits: (hint) => admitted.has(hint) })
  const add = (name: string, priority: number, hint: number) => scheduler.add(new Turn(name), priority, hint)
  const turns = (count: number): string =>
    Array.from({ length: count }, () => {
      const name = scheduler.head?.owner ?? "–"
      scheduler.rotate()
      return name
    }).join("")
  return { admitted, scheduler, add, turns }
}

describe("D4: the turns of streams with hints", () => {
  it("are passed over while their hint is not admitted, whatever their priority", () => {
    const { admitted, scheduler, add, turns } = make()
    add("a", 0, ANY_PATH)
    add("h", 5, there)
    expect([turns(2), scheduler.priority]).toEqual(["hh", 5])
    admitted.delete(there)
    expect([turns(2), scheduler.priority]).toEqual(["aa", 0])
    admitted.delete(ANY_PATH)
    expect([turns(1), scheduler.priority]).toEqual(["–", Number.NEGATIVE_INFINITY])
  })

  it("come as often as those of others of their priority", () => {
    const { add, turns } = make()
    for (const name of ["a", "b", "c"]) add(name, 0, ANY_PATH)
    add("h", 0, there)
    add("z", -1, there)
    expect(turns(8)).toBe("abchabch")
  })

  it("leave nothing behind", () => {
    const { scheduler } = make()
    for (let i = 0; i < 100; i++) {
      const turn = new Turn("a")
      scheduler.add(turn, i % 3, preferringPath(i))
      scheduler.remove(turn)
    }
    expect([scheduler.size, scheduler.head, scheduler.least]).toEqual([0, undefined, undefined])
    scheduler.add(new Turn("b"), 0, there)
    expect(scheduler.head?.owner).toBe("b")
  })
})
