import fc from "fast-check"
import { describe, expect, it } from "vitest"
import { pageBytes } from "../../src/stream/OutOfOrderPages.ts"
import { ReceiveBuffer } from "../../src/stream/ReceiveBuffer.ts"
import { limits, connect, pattern } from "./streamPair.ts"

/** Inserts a segment located some bytes into its own datagram. */
const insert = (buffer: ReceiveBuffer, offset: number, length: number, overhead = 40): number => {
  const datagram = new Uint8Array(overhead + length)
  datagram.set(pattern(0, offset, length), overhead)
  return buffer.insert(offset, datagram, overhead, overhead + length)
}

const readAll = (buffer: ReceiveBuffer, max = 1e9): Uint8Array => {
  const parts: Array<Uint8Array> = []
  for (let part = buffer.read(max); part !== undefined; part = buffer.read(max)) {
    expect(part.length).toBeLessThanOrEqual(max)
    parts.push(part)
  }
  return Buffer.concat(parts)
}

const same = (actual: Uint8Array, offset: number): void => {
  expect(Buffer.compare(actual, pattern(0, offset, actual.length))).toBe(0)
}

describe("the receive buffer", () => {
  it("keeps nothing of a datagram, which is lent, and little more than the segment", () => {
    const datagram = new Uint8Array(65_000)
    for (const length of [1, 20, 600, 1150, 30_000, 65_000]) {
      const buffer = new ReceiveBuffer()
      datagram.set(pattern(0, 0, length))
      buffer.insert(0, datagram, 0, length)
      datagram.fill(0xa5)
      expect(buffer.allocatedBytes).toBeLessThan(Math.max(65, 2 * length))
      const bytes = buffer.read(1e6)!
      expect(bytes.length).toBe(length)
      expect(bytes.buffer.byteLength).toBeLessThan(Math.max(65, 2 * length))
      same(bytes, 0)
    }
  })

  it("fills its memory with short segments one behind the other, and hands it on as it is", () => {
    const buffer = new ReceiveBuffer()
    for (let i = 0; i < 64; i++) insert(buffer, i * 1024, 1024)
    const parts: Array<number> = []
    for (let part = buffer.read(1e6); part !== undefined; part = buffer.read(1e6)) parts.push(part.length)
    // slabs as large as what is queued already, up to 16 KiB
    expect(parts).toEqual([16_384, 16_384, 16_384, 16_384])
  })

  it("shows what comes next without consuming it, wherever segments end", () => {
    const segments = fc.array(fc.nat(700), { minLength: 1, maxLength: 12 })
    fc.assert(
      fc.property(segments, fc.nat(100), fc.nat(2_000), (sizes, before, room) => {
        const buffer = new ReceiveBuffer()
        for (const size of sizes) insert(buffer, buffer.end, size)
        const consumed = before === 0 ? 0 : (buffer.read(before)?.length ?? 0)
        const into = new Uint8Array(room)
        const { readable } = buffer
        const length = buffer.peek(into)
        expect(length).toBe(Math.min(room, readable))
        expect(buffer.readable).toBe(readable)
        same(into.subarray(0, length), consumed)
      })
    )
  })

  it("joins short adjacent segments into one read and leaves long ones as they are", () => {
    const buffer = new ReceiveBuffer()
    for (let i = 0; i < 10; i++) insert(buffer, i * 1150, 1150)
    expect(buffer.read(5000)!.length).toBe(5000)
    expect(buffer.read(1e6)!.length).toBe(6500)
    insert(buffer, 11_500, 40_000)
    insert(buffer, 51_500, 1000)
    expect(buffer.read(1e6)!.length).toBe(40_000)
    expect(buffer.read(1e6)!.length).toBe(1000)
    expect(buffer.read(1e6)).toBeUndefined()
  })

  it("uses memory again that was copied out, and never what a reader has got", () => {
    const step = fc.record({ of: fc.nat(2), size: fc.nat(9000), read: fc.nat(40_000), copies: fc.boolean() })
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        const buffers = [0, 1, 2].map(() => ({ buffer: new ReceiveBuffer(), read: 0 }))
        const kept: Array<{ bytes: Uint8Array; offset: number; id: number }> = []
        const into = new Uint8Array(50_000)
        for (const { of, size, read, copies } of steps) {
          const one = buffers[of]
          const { end } = one.buffer
          one.buffer.insert(end, pattern(of, end, size), 0, size)
          if (copies) {
            const expected = Math.min(read, one.buffer.readable)
            expect(one.buffer.readInto(into, read)).toBe(expected)
            expect(Buffer.compare(into.subarray(0, expected), pattern(of, one.read, expected))).toBe(0)
            one.read += expected
          } else {
            const bytes = one.buffer.read(read)
            if (bytes === undefined) continue
            kept.push({ bytes, offset: one.read, id: of })
            one.read += bytes.length
          }
        }
        for (const { bytes, offset, id } of kept)
          expect(Buffer.compare(bytes, pattern(id, offset, bytes.length))).toBe(0)
        for (const { buffer } of buffers)
          expect(buffer.allocatedBytes).toBeLessThanOrEqual(17 * buffer.readable + 16_384)
      }),
      { numRuns: 500 }
    )
  })

  it("does not use memory again whose beginning a reader has got", () => {
    const [buffer, other] = [new ReceiveBuffer(), new ReceiveBuffer(0, true)]
    insert(buffer, 0, 16_384)
    const bytes = buffer.read(10_000)!
    expect(bytes.buffer.byteLength).toBe(16_384)
    expect(buffer.readInto(new Uint8Array(16_384), 16_384)).toBe(6384)
    other.insert(0, new Uint8Array(16_384).fill(0x5e), 0, 16_384)
    same(bytes, 0)
  })

  it("hands out nothing of what memory held before that is used again", () => {
    const secret = new ReceiveBuffer()
    const into = new Uint8Array(65_536)
    for (let i = 0; i < 4; i++) {
      secret.insert(i * 65_536, new Uint8Array(65_536).fill(0x5e), 0, 65_536)
      secret.readInto(into, 65_536)
    }
    const buffer = new ReceiveBuffer(0, true)
    for (const size of [1024, 9000, 16_384]) {
      insert(buffer, buffer.end, size)
      const bytes = buffer.read(size)!
      expect(new Uint8Array(bytes.buffer).includes(0x5e)).toBe(
        pattern(0, buffer.readOffset - size, size).includes(0x5e)
      )
      expect(bytes.buffer.byteLength).toBe(size)
    }
  })

  // RFC 9000 §2.2 #1
  it("reassembles reordered, duplicate and overlapping segments exactly once", () => {
    const segment = fc.record({ offset: fc.nat(36_000), length: fc.nat(3000), read: fc.nat(3000) })
    fc.assert(
      fc.property(fc.array(segment, { maxLength: 60 }), (segments) => {
        const buffer = new ReceiveBuffer()
        const present = new Uint8Array(40_000)
        let contiguous = 0
        let read = 0
        const take = (max: number) => {
          const bytes = buffer.read(max)
          expect(bytes?.length ?? 0).toBeLessThanOrEqual(Math.min(max, contiguous - read))
          if (bytes === undefined) return expect(max === 0 || contiguous === read).toBe(true)
          same(bytes, read)
          read += bytes.length
        }
        for (const { offset, length, read: max } of segments) {
          present.fill(1, offset, offset + length)
          const before = contiguous
          while (present[contiguous] === 1) contiguous++
          expect(insert(buffer, offset, length)).toBe(contiguous - before)
          expect(buffer.readable).toBe(contiguous - read)
          expect(buffer.hasGap).toBe(present.indexOf(1, contiguous) >= 0)
          take(max)
        }
        while (read < contiguous) take(700)
      }),
      { numRuns: 1000 }
    )
  })

  it("handles segments that end at any bit or page boundary", () => {
    fc.assert(
      fc.property(
        fc.nat(20_000),
        fc.integer({ min: 1, max: 36_000 }),
        fc.integer({ min: 1, max: 997 }),
        (skip, length, step) => {
          const buffer = new ReceiveBuffer()
          insert(buffer, 0, skip)
          // backwards from the end, in uneven steps, the first byte last
          for (let at = skip + length; at > skip + 1; ) {
            const size = Math.min(step, at - skip - 1)
            at -= size
            expect(insert(buffer, at, size)).toBe(0)
          }
          expect(insert(buffer, skip, 1)).toBe(length)
          expect(buffer.hasGap).toBe(false)
          const bytes = readAll(buffer, 5000)
          expect(bytes.length).toBe(skip + length)
          same(bytes, 0)
        }
      ),
      { numRuns: 300 }
    )
  })
})

describe("memory of the receive buffer, against a hostile peer", () => {
  const window = 1024 * 1024

  /** The buffer's memory never exceeds a small multiple of the credit used, plus a page. */
  const bounded = (buffer: ReceiveBuffer, used: number) =>
    expect(buffer.allocatedBytes).toBeLessThan(2 * used + pageBytes)

  // RFC 9000 §21.7 #S1
  it("is bounded when every other byte arrives alone", () => {
    const buffer = new ReceiveBuffer()
    // a million segments: in quadratic time this would not finish
    for (let offset = 1; offset < window; offset += 2) insert(buffer, offset, 1)
    bounded(buffer, window)
    for (let offset = 0; offset < window; offset += 2) insert(buffer, offset, 1)
    bounded(buffer, window)
    const bytes = readAll(buffer)
    expect(bytes.length).toBe(window)
    same(bytes, 0)
    expect(buffer.allocatedBytes).toBe(0)
  })

  it("is bounded when bytes arrive one by one, in order or from the end", () => {
    const forward = new ReceiveBuffer()
    const backward = new ReceiveBuffer()
    for (let i = 0; i < window / 4; i++) {
      insert(forward, i, 1)
      insert(backward, window / 4 - 1 - i, 1)
    }
    bounded(forward, window / 4)
    bounded(backward, window / 4)
    same(readAll(forward), 0)
    same(readAll(backward), 0)
  })

  it("is bounded when one byte arrives per page, and when the datagrams are large", () => {
    const buffer = new ReceiveBuffer()
    for (let offset = pageBytes - 1; offset < window; offset += pageBytes) insert(buffer, offset, 1, 65_000)
    bounded(buffer, window)
  })

  it("is bounded while the reader lags behind and segments alternate between kept and copied", () => {
    const buffer = new ReceiveBuffer()
    let offset = 0
    while (offset < window) {
      insert(buffer, offset, 600, 500)
      insert(buffer, offset + 600, 1, 1199)
      offset += 601
    }
    bounded(buffer, window)
  })

  it("is small for one byte behind a gap, even when much was read before", () => {
    const buffer = new ReceiveBuffer()
    insert(buffer, 4095, 1)
    insert(buffer, 0, 4000)
    while (buffer.read(1000) !== undefined);
    expect(buffer.allocatedBytes).toBeLessThanOrEqual(2 * 96)
    insert(buffer, 4001, 1)
    expect(buffer.allocatedBytes).toBeLessThanOrEqual(2 * 96)
  })

  it("is released when the stream is reset or no longer read", () => {
    for (const end of ["reset", "stop"] as const) {
      const { streams } = connect(
        limits(),
        limits({ initialMaxData: window, initialMaxStreamDataBidiRemote: window })
      ).server
      streams.received.onStream(0, 0, pattern(0, 0, 100_000), 0, 100_000, false)
      streams.received.onStream(0, 200_000, pattern(0, 0, 100_000), 0, 100_000, false)
      expect(streams.stats().receiveAllocated).toBeGreaterThan(190_000)
      if (end === "reset") streams.received.onResetStream(0, 1, 400_000)
      else streams.stop(0, 1)
      expect(streams.stats()).toMatchObject({ receiveAllocated: 0, readable: 0 })
      expect(streams.stats().consumed).toBe(streams.stats().received)
    }
  })
})
