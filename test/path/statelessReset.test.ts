import { describe, expect, it } from "vitest"
import {
  buildStatelessReset,
  isAnswerable,
  MIN_RESET_BYTES,
  resetTokenOffset,
  resetTokens
} from "../../src/path/statelessReset.ts"

const token = new Uint8Array(16).map((_, i) => 0xa0 + i)
const random = (seed: number) => (length: number) =>
  new Uint8Array(length).map((_, i) => (i * 37 + seed) & 0xff)

describe("a stateless reset", () => {
  // RFC 9000 §10.3 #4
  it("looks like a short-header packet that ends in the token", () => {
    for (let seed = 0; seed < 256; seed++) {
      const reset = buildStatelessReset(1200, token, random(seed))
      expect(reset[0] & 0xc0).toBe(0x40)
      expect(reset.slice(-16)).toEqual(token)
      expect(resetTokenOffset(0, reset.length)).toBe(reset.length - 16)
    }
  })

  // RFC 9000 §10.3 #2, §10.3.3 #1
  it("is smaller than what triggered it, and at least 21 bytes, or not sent", () => {
    for (let trigger = 0; trigger <= 1500; trigger++) {
      for (const seed of [0, 1, 2, 3]) {
        expect(isAnswerable(trigger)).toBe(trigger > MIN_RESET_BYTES)
        if (!isAnswerable(trigger)) continue
        const reset = buildStatelessReset(trigger, token, random(seed))
        expect(reset.length).toBeLessThan(trigger)
        expect(reset.length).toBeGreaterThanOrEqual(MIN_RESET_BYTES)
      }
    }
  })

  // RFC 9000 §10.3 #S3
  it("is one byte shorter than a trigger of at most 43 bytes", () => {
    for (let trigger = 22; trigger <= 43; trigger++)
      expect(buildStatelessReset(trigger, token, random(5))).toHaveLength(trigger - 1)
  })

  // RFC 9000 §10.3 #S1
  it("is not recognizable by its size or content", () => {
    const sizes = new Set<number>()
    const heads = new Set<string>()
    for (let seed = 0; seed < 256; seed++) {
      const reset = buildStatelessReset(1200, token, random(seed))
      expect(reset.length).toBeGreaterThan(41)
      sizes.add(reset.length)
      heads.add(String(reset.slice(0, 6)))
    }
    expect(sizes.size).toBe(16)
    expect(heads.size).toBeGreaterThan(200)
  })

  // RFC 9000 §10.3.3 #1
  it("does not let two endpoints without state answer each other forever", () => {
    let size = 1200
    let exchanges = 0
    for (;;) {
      if (!isAnswerable(size)) break
      size = buildStatelessReset(size, token, random(size)).length
      exchanges++
    }
    expect(exchanges).toBeLessThan(40)
  })

  it("is not looked for in datagrams too short to be one", () => {
    expect(resetTokenOffset(0, 20)).toBe(-1)
    expect(resetTokenOffset(100, 120)).toBe(-1)
    expect(resetTokenOffset(100, 121)).toBe(105)
  })

  // RFC 9000 §10.3.2 #1
  it("has a token derived from the connection ID by a keyed function, truncated to 16 bytes", () => {
    const tokens = resetTokens((id) => new Uint8Array(32).fill(id[0] ^ 0x5a))
    expect(tokens(new Uint8Array([1]))).toEqual(new Uint8Array(16).fill(0x5b))
    expect(tokens(new Uint8Array([2]))).not.toEqual(tokens(new Uint8Array([1])))
  })
})
