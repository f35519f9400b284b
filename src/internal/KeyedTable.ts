import type { RandomBytes } from "./RandomBytes.ts"
import { keyedHash } from "./keyedHash.ts"

interface Entry<V> {
  readonly bytes: Uint8Array
  readonly value: V
  /** The next entry with the same hash. */
  next: Entry<V> | undefined
}

/**
 * A hash map for short byte strings chosen by others: connection IDs and stateless reset tokens.
 *
 * It is queried for every datagram, so it builds no strings. Its hash is keyed, so nobody can choose bytes that
 * collide. Bytes are compared in constant time.
 */
export class KeyedTable<V> {
  private readonly entries = new Map<number, Entry<V>>()
  private readonly keyLow: number
  private readonly keyHigh: number
  private count = 0

  constructor(random: RandomBytes) {
    const key = random(8)
    const words = new DataView(key.buffer, key.byteOffset)
    this.keyLow = words.getInt32(0)
    this.keyHigh = words.getInt32(4)
  }

  get size(): number {
    return this.count
  }

  get(bytes: Uint8Array, start: number, end: number): V | undefined {
    let entry = this.entries.get(this.placeOf(bytes, start, end))
    while (entry !== undefined && !equal(entry.bytes, bytes, start, end)) entry = entry.next
    return entry?.value
  }

  has(bytes: Uint8Array): boolean {
    return this.get(bytes, 0, bytes.length) !== undefined
  }

  /** Adds `bytes`; false, and nothing changes, when they are present. */
  add(bytes: Uint8Array, value: V): boolean {
    if (this.has(bytes)) return false
    const place = this.placeOf(bytes, 0, bytes.length)
    this.entries.set(place, { bytes, value, next: this.entries.get(place) })
    this.count++
    return true
  }

  /** Does nothing when `bytes` map to another value. */
  remove(bytes: Uint8Array, value: V): void {
    const place = this.placeOf(bytes, 0, bytes.length)
    const first = this.entries.get(place)
    let before: Entry<V> | undefined
    let entry = first
    while (entry !== undefined && !equal(entry.bytes, bytes, 0, bytes.length)) {
      before = entry
      entry = entry.next
    }
    if (entry === undefined || entry.value !== value) return
    this.count--
    if (before !== undefined) before.next = entry.next
    else if (entry.next !== undefined) this.entries.set(place, entry.next)
    else this.entries.delete(place)
  }

  private placeOf(bytes: Uint8Array, start: number, end: number): number {
    return keyedHash(this.keyLow, this.keyHigh, bytes, start, end)
  }
}

/** In constant time: reset tokens are secrets. */
const equal = (known: Uint8Array, bytes: Uint8Array, start: number, end: number): boolean => {
  if (known.length !== end - start) return false
  let difference = 0
  for (let i = 0; i < known.length; i++) difference |= known[i] ^ bytes[start + i]
  return difference === 0
}
