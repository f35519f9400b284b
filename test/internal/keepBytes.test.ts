import { describe, expect, it } from "vitest"
import { keepBytes } from "../../src/internal/keepBytes.ts"

describe("short byte strings that are kept", () => {
  it("are copies of what they are made of", () => {
    const bytes = Uint8Array.of(9, 1, 2, 3, 9)
    const kept = keepBytes(bytes, 1, 4)
    const next = keepBytes(bytes)
    bytes.fill(0)
    expect([...kept]).toEqual([1, 2, 3])
    expect([...next]).toEqual([9, 1, 2, 3, 9])
  })

  it("share buffers, of a size that one of them may keep alive alone", () => {
    const kept = Array.from({ length: 1000 }, (_, i) => keepBytes(new Uint8Array(20).fill(i)))
    expect(new Set(kept.map(({ buffer }) => buffer)).size).toBeLessThanOrEqual(11)
    for (const { buffer } of kept) expect(buffer.byteLength).toBe(2048)
    for (const [i, bytes] of kept.entries()) expect(bytes.every((byte) => byte === (i & 0xff))).toBe(true)
  })

  it("have a buffer of their own if they are not short", () => {
    const kept = keepBytes(new Uint8Array(100), 10, 75)
    expect(kept).toHaveLength(65)
    expect(kept.buffer.byteLength).toBe(65)
  })
})
