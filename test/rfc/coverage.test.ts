import { describe, expect, it } from "vitest"
import { accountFor, isAccountedFor, strayCitations } from "./account.ts"
import { citationsIn, citationsOf } from "./citations.ts"
import { loadExceptions, loadRequirements, requirementsOf, rfcs } from "./requirements.ts"

describe("the account of the RFCs' requirements", () => {
  const requirements = loadRequirements()
  const exceptions = loadExceptions()
  const code = citationsOf("src", "layers")
  const tests = citationsOf("test")
  const entries = accountFor(requirements, exceptions, code, tests)

  it("contains every sentence with MUST, SHALL, SHOULD or RECOMMENDED", () => {
    const count = (rfc: number, isShould: boolean) =>
      requirements.filter((each) => each.rfc === rfc && each.label.startsWith("S") === isShould).length
    expect(rfcs.map((rfc) => count(rfc, false))).toEqual([297, 79, 31, 10])
    expect(rfcs.map((rfc) => count(rfc, true))).toEqual([123, 22, 31, 5])
  })

  it("has code and a test, or a reason, for every requirement", () => {
    const missing = entries
      .filter((entry) => !isAccountedFor(entry))
      .map(({ section, label }) => `${section} #${label}`)
    expect(missing).toEqual([])
  })

  it("cites no requirement that does not exist", () => {
    expect(strayCitations(requirements, [...code, ...tests])).toEqual([])
  })

  it("makes exceptions only for existing requirements, each with a reason", () => {
    for (const { rfc, section, numbers, reason } of exceptions) {
      const labels = requirements
        .filter((each) => each.rfc === rfc && each.section === section)
        .map(({ label }) => label)
      expect(labels, `RFC ${rfc} §${section}`).not.toEqual([])
      expect(labels, `RFC ${rfc} §${section}`).toEqual(expect.arrayContaining((numbers ?? []).map(String)))
      expect(reason.length).toBeGreaterThan(5)
    }
  })

  it("makes no exception for what both code and a test cite", () => {
    const both = entries.filter(
      (each) => each.reason !== undefined && each.code.length * each.tests.length > 0
    )
    expect(both).toEqual([])
  })

  it("parses lists of sections, and bare sections as of the RFC last named", () => {
    const text = "// RFC 9000 §8.1 #2 #S10, §8.2: one\nconst a = 1 // §9.3.2\n// RFC 9001 §6; draft-ietf-x §7"
    expect(citationsIn(text)).toEqual([
      { section: "9000 §8.1", labels: ["2", "S10"], place: "1" },
      { section: "9000 §8.2", labels: [], place: "1" },
      { section: "9000 §9.3.2", labels: [], place: "2" },
      { section: "9001 §6", labels: [], place: "3" }
    ])
  })

  it("counts a citation for the requirement it numbers, and an unnumbered one for a section's only MUST", () => {
    const found = (text: string) => {
      const cited = citationsIn(text, "a.ts")
      const entries = accountFor(
        sentences,
        [{ rfc: 9000, section: "1", numbers: [1], reason: "why" }],
        cited,
        cited
      )
      return entries.map(({ section, label, code: places, reason }) => [
        section,
        label,
        places.length,
        reason
      ])
    }
    const sentences = requirementsOf(
      [
        [9000, "2", "E MUST F"],
        [9000, "1", "A MUST B"],
        [9000, "1", "C MUST D"]
      ],
      [[9000, "2", "E SHOULD G"]]
    )
    expect(found("// RFC 9000 §1 #2, §1, §2")).toEqual([
      ["9000 §1", "1", 0, "why"],
      ["9000 §1", "2", 1, undefined],
      ["9000 §2", "1", 1, undefined],
      ["9000 §2", "S1", 0, undefined]
    ])
    expect(found("// RFC 9000 §2 #S1").map(([, , places]) => places)).toEqual([0, 0, 0, 1])
    const stray = citationsIn("// RFC 9000 §2 #2, §1 #S1, §2 #1 #S1", "a.ts")
    expect(strayCitations(sentences, stray).map(({ section }) => section)).toEqual(["9000 §2", "9000 §1"])
  })
})
