import fc from "fast-check"
import { describe, expect, it } from "vitest"
import { ByteReader } from "../../src/wire/ByteReader.ts"
import { ByteWriter, MAX_VARINT, varintSize } from "../../src/wire/ByteWriter.ts"
import { decodePacketNumber, packetNumberLength } from "../../src/wire/packetNumber.ts"
import { fromHex, toHex } from "./recordingSink.ts"

const varint = fc.oneof(
  fc.maxSafeNat(),
  fc.constantFrom(0, 63, 64, 16383, 16384, 2 ** 30 - 1, 2 ** 30, 2 ** 32 - 1, 2 ** 32, MAX_VARINT)
)

describe("variable-length integers", () => {
  it.each([
    ["c2197c5eff14e88c", Number(151_288_809_941_952_672n)], // exactly …652, which is not a double
    ["9d7f3e7d", 494_878_333],
    ["7bbd", 15_293],
    ["25", 37],
    ["4025", 37] // overlong, but allowed
  ])("decode %s of RFC 9000 §A.1", (encoded, value) => {
    const r = new ByteReader(fromHex(encoded))
    expect(r.varint()).toBe(value)
    expect([r.remaining, r.failed]).toEqual([0, false])
  })

  it("survive a round trip in the announced size", () => {
    fc.assert(
      fc.property(varint, (value) => {
        const w = new ByteWriter(new Uint8Array(8))
        w.varint(value)
        expect(w.offset).toBe(varintSize(value))
        expect(new ByteReader(w.bytes, 0, w.offset).varint()).toBe(value)
      })
    )
  })

  it("use the shortest form", () => {
    const sizes = [0, 63, 64, 16383, 16384, 2 ** 30 - 1, 2 ** 30, MAX_VARINT].map(varintSize)
    expect(sizes).toEqual([1, 1, 2, 2, 4, 4, 8, 8])
  })

  it("round up what a double cannot represent, never down", () => {
    for (const [hex, value] of [
      ["c01fffffffffffff", 2 ** 53 - 1],
      ["c020000000000000", 2 ** 53],
      ["c020000000000001", 2 ** 53 + 2],
      ["c020000000000002", 2 ** 53 + 2],
      ["d000000000000000", 2 ** 60],
      ["d000000000000001", 2 ** 60 + 256],
      ["d000000000000100", 2 ** 60 + 256],
      ["d000000000000101", 2 ** 60 + 512],
      ["d0000000ffffff01", 2 ** 60 + 2 ** 32],
      ["fffffffffffffe00", 2 ** 62 - 512],
      ["ffffffffffffffff", 2 ** 62]
    ] as const)
      expect(new ByteReader(fromHex(hex)).varint(), hex).toBe(value)
  })

  it("fail without throwing when truncated at any byte", () => {
    for (const encoded of ["c2197c5eff14e88c", "9d7f3e7d", "7bbd", "25"]) {
      const bytes = fromHex(encoded)
      for (let length = 0; length < bytes.length; length++) {
        const r = new ByteReader(bytes, 0, length)
        expect([r.varint(), r.failed, r.remaining]).toEqual([0, true, 0])
      }
    }
  })
})

describe("ByteReader", () => {
  it("stays failed, and at its end, after reading past it", () => {
    const r = new ByteReader(fromHex("010203"))
    expect(r.u32()).toBe(0)
    expect([r.u8(), r.u16(), r.u24(), r.varint(), r.take(1).length, r.failed]).toEqual([0, 0, 0, 0, 0, true])
  })

  it("does not skip past its end, however far", () => {
    for (const length of [4, 2 ** 31, 2 ** 32, 2 ** 62]) {
      const r = new ByteReader(fromHex("010203"))
      expect([r.skip(length), r.failed]).toEqual([3, true])
    }
  })

  it("reads the fixed sizes it writes", () => {
    fc.assert(
      fc.property(fc.nat(0xff), fc.nat(0xffff), fc.nat(0xff_ffff), fc.nat(0xffff_ffff), (a, b, c, d) => {
        const w = new ByteWriter(new Uint8Array(10))
        w.u8(a)
        w.u16(b)
        w.u24(c)
        w.u32(d)
        const r = new ByteReader(w.bytes)
        expect([r.u8(), r.u16(), r.u24(), r.u32(), r.remaining]).toEqual([a, b, c, d, 0])
      })
    )
  })
})

describe("ByteWriter", () => {
  it("refuses to write past its end", () => {
    const w = new ByteWriter(new Uint8Array(8), 0, 3)
    w.u16(1)
    expect(() => w.u16(1)).toThrow("2 bytes do not fit in 1")
    expect(() => w.copy(new Uint8Array(2))).toThrow(RangeError)
    expect(() => w.fill(1, 2)).toThrow(RangeError)
    expect(toHex(w.bytes)).toBe("0001000000000000")
  })

  it("copies whole arrays, and short and long parts", () => {
    const source = Uint8Array.from({ length: 100 }, (_, i) => i)
    for (const [start, end] of [
      [0, 100],
      [3, 9],
      [3, 99],
      [5, 5]
    ]) {
      const w = new ByteWriter(new Uint8Array(100))
      w.copy(source, start, end)
      expect(toHex(w.bytes, 0, w.offset)).toBe(toHex(source, start, end))
    }
  })
})

describe("packet numbers", () => {
  it("have the lengths of RFC 9000 §A.2", () => {
    expect(packetNumberLength(0xac5c02, 0xabe8b3)).toBe(2)
    expect(packetNumberLength(0xace8fe, 0xabe8b3)).toBe(3)
  })

  // RFC 9000 §17.1 #S1
  it("are encoded in more than twice the range not yet acknowledged", () => {
    // RFC 9000 §17.1 #1 #2
    const lengths = [127, 128, 32_767, 32_768, 2 ** 23 - 1, 2 ** 23].map((pn) => packetNumberLength(pn, 0))
    expect(lengths).toEqual([1, 2, 2, 3, 3, 4])
    expect([packetNumberLength(0, -1), packetNumberLength(126, -1), packetNumberLength(127, -1)]).toEqual([
      1, 1, 2
    ])
  })

  it("decode as in RFC 9000 §A.3", () => {
    expect(decodePacketNumber(0xa82f30ea, 0x9b32, 2)).toBe(0xa82f9b32)
  })

  it("decode to what was sent if the receiver has what was acknowledged, up to 2^53", () => {
    fc.assert(
      fc.property(
        fc.integer({ min: -1, max: 2 ** 53 - 2 ** 33 }),
        fc.integer({ min: 1, max: 2 ** 31 - 1 }),
        fc.double({ min: 0, max: 1, noNaN: true }),
        (acked, ahead, seen) => {
          const packetNumber = acked + ahead
          const length = packetNumberLength(packetNumber, acked)
          const received = acked + Math.floor(seen * (ahead - 1))
          expect(decodePacketNumber(received, packetNumber % 2 ** (8 * length), length)).toBe(packetNumber)
        }
      )
    )
  })

  it("never decode to less than zero", () => {
    expect(decodePacketNumber(-1, 0xff, 1)).toBe(0xff)
    expect(decodePacketNumber(0, 0xffff, 2)).toBe(0xffff)
  })
})
