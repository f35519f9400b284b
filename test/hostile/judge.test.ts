/** The hostile suite must be able to fail: each of its bounds, broken by one unit. */
import { describe, expect, it } from "vitest"
import { type Attack, judge, MAX_BYTES_HELD, type Measured } from "./Attack.ts"

const attack: Attack = { name: "an attack", reference: "RFC 9000 §21", spoofed: () => [], closes: 7 }

const harmless: Measured = {
  bytesHeld: MAX_BYTES_HELD,
  cpuMicrosPerPacket: 200,
  honestMicrosPerPacket: 20,
  bytesIn: 100,
  bytesOut: 300,
  bytesAstray: 0,
  closed: 7,
  forgedLog: undefined,
  unserved: undefined
}

const reasonOf = (measured: Partial<Measured>) => {
  const { result, reason } = judge(attack, "core", { ...harmless, ...measured })
  return result === "pass" ? "pass" : reason
}

describe("an attack's verdict", () => {
  it("is a pass up to every bound", () => {
    expect(reasonOf({})).toBe("pass")
  })

  it("is a fail beyond any of them, and says which", () => {
    expect(reasonOf({ bytesHeld: MAX_BYTES_HELD + 1 })).toBe("2000001 bytes held")
    expect(reasonOf({ cpuMicrosPerPacket: 201 })).toBe("201.0 µs per packet, at most 200.0 expected")
    expect(reasonOf({ bytesOut: 301 })).toBe("amplified 100 bytes to 301")
    expect(reasonOf({ bytesAstray: 1 })).toBe("1 bytes sent to a third party")
    expect(reasonOf({ closed: undefined })).toBe("closed with nothing, not 7")
    expect(reasonOf({ forgedLog: "a\nb" })).toBe('showed "a\\nb"')
    expect(reasonOf({ unserved: "no echo" })).toBe("honest peers: no echo")
  })
})
