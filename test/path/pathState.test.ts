import fc from "fast-check"
import { describe, expect, it } from "vitest"
import {
  PathLifecycle,
  type PathState,
  pathTransitions,
  printPathTransitions
} from "../../src/path/pathState.ts"

const states = Object.keys(pathTransitions) as Array<PathState>

describe("the life of a path", () => {
  it("follows this table", () => {
    expect(printPathTransitions()).toMatchInlineSnapshot(`
      "created    → validating, closing, failed
      validating → validated, closing, failed
      validated  → active, standby, closing, failed
      active     → standby, closing, failed
      standby    → active, closing, failed
      closing    → failed
      failed     → ∅"
    `)
  })

  it("refuses what the table does not list, and stays where it was", () => {
    fc.assert(
      fc.property(fc.array(fc.constantFrom(...states)), (wanted) => {
        const path = new PathLifecycle()
        let validated = false
        let ended = false
        for (const next of wanted) {
          const before = path.state
          const legal = pathTransitions[before].includes(next)
          expect(path.to(next)).toBe(legal)
          expect(path.state).toBe(legal ? next : before)
          validated ||= path.state === "validated"
          // never used unvalidated, and never back from the end
          if (path.isUsable) expect(validated).toBe(true)
          if (ended) expect(path.isAlive).toBe(false)
          ended ||= !path.isAlive
        }
      })
    )
  })

  it("can end from every state", () => {
    const reaches = (from: PathState): boolean =>
      from === "failed" || pathTransitions[from].some((to) => to === "failed")
    expect(states.filter((state) => !reaches(state))).toEqual([])
  })
})
