import { describe, expect, it } from "vitest"
import { collidingIds } from "../hostile/collisions.ts"
import { SeededRandom } from "../../layers/sim/SeededRandom.ts"
import { KeyedTable } from "../../src/internal/KeyedTable.ts"
import { keyedHash } from "../../src/internal/keyedHash.ts"

const { bytes: random } = new SeededRandom("keyed table")

describe("the hash of keys that strangers choose", () => {
  // test vectors of hsiphash on 32-bit machines in Linux, lib/tests/siphash_kunit.c: 0, 1, 2 … under key 0, 1 … 7
  it("is HalfSipHash-1-3", () => {
    const input = Uint8Array.from({ length: 12 }, (_, i) => i)
    const vectors = [
      0x5814c896, 0xe7e864ca, 0xbc4b0e30, 0x01539939, 0x7e059ea6, 0x88e3d89b, 0xa0080b65, 0x9d38d9d6,
      0x577999b1, 0xc839caed, 0xe4fa32cf, 0x959246ee
    ]
    for (const [length, hash] of vectors.entries())
      expect(keyedHash(0x03020100, 0x07060504, input, 0, length) >>> 0).toBe(hash)
  })

  it("depends on every byte, the length and the key, and on no neighbouring bytes", () => {
    const id = random(20)
    const hash = keyedHash(1, 2, id, 3, 11)
    expect(keyedHash(1, 2, id.slice(3, 11), 0, 8)).toBe(hash)
    const others = [keyedHash(1, 3, id, 3, 11), keyedHash(2, 2, id, 3, 11), keyedHash(1, 2, id, 3, 10)]
    for (let at = 3; at < 11; at++) {
      const other = id.slice()
      other[at] ^= 1
      others.push(keyedHash(1, 2, other, 3, 11))
    }
    expect(new Set([hash, ...others]).size).toBe(12)
  })
})

describe("IDs chosen to collide", () => {
  const ids = collidingIds(0, 0, random)
  const hashes = (low: number, high: number) => new Set(ids.map((id) => keyedHash(low, high, id, 0, 8)))

  it("do so under the key they were chosen for, and under no other", () => {
    expect(ids.length).toBeGreaterThan(10)
    expect(hashes(0, 0).size).toBeLessThanOrEqual(ids.length / 2)
    expect(hashes(1, 0).size).toBe(ids.length)
    expect(hashes(0, 1).size).toBe(ids.length)
  })

  it("are still told apart, one removed after the other", () => {
    const table = new KeyedTable<number>((length) => new Uint8Array(length))
    for (const [n, id] of ids.entries()) expect(table.add(id, n)).toBe(true)
    for (const [n, id] of ids.entries()) {
      expect(table.get(id, 0, 8)).toBe(n)
      table.remove(id, n)
      expect(table.get(id, 0, 8)).toBeUndefined()
    }
    expect(table.size).toBe(0)
  })
})

describe("a keyed table", () => {
  it("distinguishes keys with a common prefix", () => {
    const table = new KeyedTable<number>(random)
    const ids = Array.from({ length: 256 }, (_, last) => Uint8Array.of(1, 2, 3, 4, 5, 6, 7, last))
    for (const [i, id] of ids.entries()) expect(table.add(id, i)).toBe(true)
    expect(ids.map((id) => table.get(id, 0, 8))).toEqual(ids.map((_, i) => i))
    expect(table.get(ids[0], 0, 7)).toBeUndefined()
    expect(table.get(Uint8Array.of(9, ...ids[5], 9), 1, 9)).toBe(5)
    expect(table.size).toBe(256)
  })

  it("keeps the first of two values for the same key, and removes only the given one", () => {
    const table = new KeyedTable<string>(random)
    const id = random(8)
    expect(table.add(id, "first")).toBe(true)
    expect(table.add(id.slice(), "second")).toBe(false)
    table.remove(id, "second")
    table.remove(random(8), "first")
    expect(table.get(id, 0, 8)).toBe("first")
    table.remove(id.slice(), "first")
    expect(table.has(id)).toBe(false)
    expect(table.size).toBe(0)
  })

  it("distinguishes keys with the same hash, in any order of insertion and removal", () => {
    const key = new DataView(new ArrayBuffer(8))
    key.setInt32(0, 77)
    key.setInt32(4, 78)
    const byHash = new Map<number, Array<Uint8Array>>()
    let crowd: Array<Uint8Array> = []
    while (crowd.length < 2) {
      const id = random(8)
      const hash = keyedHash(77, 78, id, 0, 8)
      crowd = [...(byHash.get(hash) ?? []), id]
      byHash.set(hash, crowd)
    }
    const [a, b] = crowd
    for (const [leaving, staying] of [
      [a, b],
      [b, a]
    ]) {
      const table = new KeyedTable<Uint8Array>(() => new Uint8Array(key.buffer))
      expect([table.add(a, a), table.add(b, b)]).toEqual([true, true])
      expect([table.get(a, 0, 8), table.get(b, 0, 8)]).toEqual([a, b])
      table.remove(leaving, leaving)
      expect([table.get(leaving, 0, 8), table.get(staying, 0, 8)]).toEqual([undefined, staying])
      expect(table.size).toBe(1)
    }
  })

  it("has its own hash key", () => {
    const keys: Array<number> = []
    const counting = (length: number): Uint8Array => {
      keys.push(length)
      return random(length)
    }
    new KeyedTable(counting)
    new KeyedTable(counting)
    expect(keys).toEqual([8, 8])
  })
})
