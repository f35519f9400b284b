import { describe, expect, it } from "vitest"
import { accountFor, isAccountedFor, strayCitations } from "./account.ts"
import { citationsIn, citationsOf } from "./citations.ts"
import { loadExceptions, loadRequirements, rfcs } from "./requirements.ts"

describe("the account of the RFCs' requirements", () => {
  const requirements = loadRequirements()
  const exceptions = loadExceptions()
  const code = citationsOf("src", "layers")
  const tests = citationsOf("test")
  const entries = accountFor(requirements, exceptions, code, tests)

  it("has every sentence with MUST or SHALL", () => {
    const count = (rfc: number) => requirements.filter(([of]) => of === rfc).length
    expect(rfcs.map(count)).toEqual([297, 79, 31, 10])
  })

  it("misses nothing", () => {
    const missing = entries
      .filter((entry) => !isAccountedFor(entry))
      .map(({ section, number }) => `${section} #${number}`)
    expect(missing).toEqual([])
  })

  it("cites no requirement that does not exist", () => {
    expect(strayCitations(requirements, [...code, ...tests])).toEqual([])
  })

  it("makes exceptions only of requirements that are there, each for a reason", () => {
    for (const { rfc, section, numbers = [1], reason } of exceptions) {
      const size = requirements.filter(([of, at]) => of === rfc && at === section).length
      for (const number of numbers) {
        expect(number, `RFC ${rfc} §${section}`).toBeGreaterThan(0)
        expect(number, `RFC ${rfc} §${section}`).toBeLessThanOrEqual(size)
      }
      expect(reason.length).toBeGreaterThan(5)
    }
  })

  it("makes no exception of what code and test cite", () => {
    const both = entries.filter(
      (each) => each.reason !== undefined && each.code.length * each.tests.length > 0
    )
    expect(both).toEqual([])
  })

  it("reads lists of sections, and bare ones as of the RFC named last", () => {
    const text = "// RFC 9000 §8.1 #2 #10, §8.2: one\nconst a = 1 // §9.3.2\n// RFC 9001 §6; draft-ietf-x §7"
    expect(citationsIn(text)).toEqual([
      { section: "9000 §8.1", numbers: [2, 10], place: "1" },
      { section: "9000 §8.2", numbers: [], place: "1" },
      { section: "9000 §9.3.2", numbers: [], place: "2" },
      { section: "9001 §6", numbers: [], place: "3" }
    ])
  })

  it("counts a citation for the requirement it numbers, and one without number where there is no other", () => {
    const two = [
      [9000, "1", "A MUST B"],
      [9000, "1", "C MUST D"],
      [9000, "2", "E MUST F"]
    ] as const
    const cited = citationsIn("// RFC 9000 §1 #2, §1, §2, §2 #2", "a.ts")
    const found = accountFor(two, [{ rfc: 9000, section: "1", numbers: [1], reason: "why" }], cited, cited)
    expect(found.map(({ code: places, reason }) => [places.length, reason])).toEqual([
      [0, "why"],
      [1, undefined],
      [1, undefined]
    ])
    expect(strayCitations(two, cited)).toEqual([{ section: "9000 §2", numbers: [2], place: "a.ts:1" }])
  })
})
