import fc from "fast-check"
import { describe, expect, it, vi } from "vitest"
import { RangeSet } from "../../src/stream/RangeSet.ts"
import { SendBuffer } from "../../src/stream/SendBuffer.ts"
import { ByteWriter } from "../../src/wire/ByteWriter.ts"
import { pattern } from "./streamPair.ts"

describe("a range set", () => {
  it("behaves like a set of numbers", () => {
    const change = fc.record({ add: fc.boolean(), start: fc.nat(60), length: fc.nat(20) })
    fc.assert(
      fc.property(fc.array(change, { maxLength: 60 }), (changes) => {
        const ranges = new RangeSet()
        const model = new Array<boolean>(100).fill(false)
        for (const { add, start, length } of changes) {
          if (add) ranges.add(start, start + length)
          else ranges.remove(start, start + length)
          model.fill(add, start, start + length)
          const expected: Array<Array<number>> = []
          for (let i = 0; i < 100; i++) {
            if (model[i] && !model[i - 1]) expected.push([i, i])
            if (model[i]) expected[expected.length - 1][1] = i + 1
          }
          const actual = Array.from({ length: ranges.count }, (_, i) => [ranges.startAt(i), ranges.endAt(i)])
          expect(actual).toEqual(expected)
          expect(ranges.isEmpty).toBe(expected.length === 0)
        }
      }),
      { numRuns: 1000 }
    )
  })
})

type Act = { readonly what: "append" | "send" | "ack" | "lose" | "resend" | "truncate"; readonly n: number }

describe("the send buffer", () => {
  const act: fc.Arbitrary<Act> = fc.record({
    what: fc.constantFrom("append", "append", "send", "send", "ack", "ack", "lose", "resend", "truncate"),
    n: fc.nat(1_000_000)
  })

  // RFC 9000 §2.2 #2
  it("returns what was written at any unacknowledged offset", () => {
    fc.assert(
      fc.property(fc.array(act, { maxLength: 300, size: "max" }), (acts) => {
        const buffer = new SendBuffer()
        const flying: Array<readonly [number, number]> = []
        const settled = new Set<number>()
        const w = new ByteWriter(new Uint8Array(5000))
        const copy = (offset: number, length: number) => {
          w.reset(w.bytes)
          buffer.copyTo(w, offset, length)
          expect(Buffer.compare(w.bytes.subarray(0, length), pattern(0, offset, length))).toBe(0)
        }
        for (const { what, n } of acts) {
          const pick = flying[n % Math.max(1, flying.length)]
          switch (what) {
            case "append":
              // small and large ones, and some of a byte or two
              buffer.append(pattern(0, buffer.end, n % 3 === 0 ? n % 3000 : n % 3 === 1 ? n % 200 : n % 3))
              break
            case "send": {
              const length = Math.min(buffer.unsent, 1 + (n % 2000))
              if (length === 0) break
              flying.push([buffer.sent, buffer.sent + length])
              copy(buffer.sent, length)
              break
            }
            case "ack":
              if (pick === undefined) break
              flying.splice(flying.indexOf(pick), 1)
              for (let i = pick[0]; i < pick[1]; i++) settled.add(i)
              buffer.onAcked(pick[0], pick[1])
              break
            case "lose":
              if (pick !== undefined) buffer.onLost(pick[0], pick[1])
              break
            case "resend": {
              if (buffer.lost.isEmpty) break
              const { firstStart } = buffer.lost
              const length = Math.min(buffer.lost.firstEnd - firstStart, 1 + (n % 1000))
              for (let i = firstStart; i < firstStart + length; i++) expect(settled.has(i)).toBe(false)
              copy(firstStart, length)
              buffer.lost.remove(firstStart, firstStart + length)
              flying.push([firstStart, firstStart + length])
              break
            }
            case "truncate":
              if (n % 20 !== 0) break
              buffer.truncate(buffer.acked + (n % 5000))
              for (const [i, range] of flying.entries())
                flying[i] = [range[0], Math.min(range[1], buffer.end)]
              for (const each of settled) if (each >= buffer.end) settled.delete(each)
          }
          while (settled.has(buffer.acked)) throw new Error(`${buffer.acked} is acknowledged but not freed`)
          expect(buffer.acked <= buffer.sent && buffer.sent <= buffer.end).toBe(true)
        }
        // all unacknowledged data is still readable
        for (let at = buffer.acked; at < buffer.end; at += 1000) copy(at, Math.min(1000, buffer.end - at))
      }),
      { numRuns: 100 }
    )
  })

  it("finds offsets after many chunks were freed at once", () => {
    const buffer = new SendBuffer()
    for (let i = 0; i < 100; i++) buffer.append(pattern(0, buffer.end, 1024))
    const w = new ByteWriter(new Uint8Array(200 * 1024))
    buffer.copyTo(w, 0, 60 * 1024)
    buffer.onAcked(0, 60 * 1024)
    w.reset(w.bytes)
    buffer.copyTo(w, 60 * 1024, 40 * 1024)
    expect(Buffer.compare(w.bytes.subarray(0, 40 * 1024), pattern(0, 60 * 1024, 40 * 1024))).toBe(0)
    buffer.onAcked(60 * 1024, 100 * 1024)
    expect(buffer.held).toBe(0)
  })

  it("checks a lost range only against acknowledged ranges nearby", () => {
    const buffer = new SendBuffer()
    buffer.append(new Uint8Array(4_000))
    buffer.copyTo(new ByteWriter(new Uint8Array(4_000)), 0, 4_000)
    // a peer that acknowledges every other packet, indefinitely
    for (let at = 1; at < 4_000; at += 2) buffer.onAcked(at, at + 1)
    const looked = vi.spyOn(RangeSet.prototype, "startAt")
    buffer.onLost(3_990, 3_999)
    expect(looked.mock.calls.length).toBeLessThan(20)
    looked.mockRestore()
    expect(Array.from({ length: buffer.lost.count }, (_, i) => buffer.lost.startAt(i))).toEqual([
      3_990, 3_992, 3_994, 3_996, 3_998
    ])
  })
})
