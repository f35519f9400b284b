import { describe, expect, it } from "vitest"
import { citationsIn } from "./citations.ts"
import { loadExceptions, loadRequirements, rfcs } from "./requirements.ts"

describe("the account of the RFCs' requirements", () => {
  const requirements = loadRequirements()

  it("has every sentence with MUST or SHALL", () => {
    const count = (rfc: number) => requirements.filter(([of]) => of === rfc).length
    expect(rfcs.map(count)).toEqual([297, 79, 31, 10])
  })

  it("makes exceptions only of sentences that are there, each for a reason", () => {
    for (const { rfc, section, says = "", reason } of loadExceptions()) {
      const found = requirements.some(([of, at, text]) => of === rfc && at === section && text.includes(says))
      expect(found, `RFC ${rfc} §${section} ${says}`).toBe(true)
      expect(reason.length).toBeGreaterThan(5)
    }
  })

  it("reads lists of sections, and bare ones as of the RFC named last", () => {
    const text = "// RFC 9000 §8.1, §8.2: one\nconst a = 1 // §9.3.2\n// RFC 9001 §6; draft-ietf-x §7"
    expect(citationsIn(text)).toEqual([
      ["9000 §8.1", 1],
      ["9000 §8.2", 1],
      ["9000 §9.3.2", 2],
      ["9001 §6", 3]
    ])
  })
})
