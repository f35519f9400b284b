import type { RandomBytes } from "../capability/CryptoSuite.ts"
import { keyedHash } from "./keyedHash.ts"

interface Entry<V> {
  readonly bytes: Uint8Array
  readonly value: V
  /** Another with the same hash. */
  next: Entry<V> | undefined
}

/**
 * A map from short byte strings that others choose: connection IDs, stateless-reset tokens.
 *
 * It is asked about every datagram, so it builds no strings, and its key is its own, so nobody can choose bytes that
 * crowd one place of it. Bytes are compared in a time that does not depend on where they differ.
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

  /** Keeps `bytes`. False, and nothing is changed, when they are there already. */
  add(bytes: Uint8Array, value: V): boolean {
    if (this.has(bytes)) return false
    const place = this.placeOf(bytes, 0, bytes.length)
    this.entries.set(place, { bytes, value, next: this.entries.get(place) })
    this.count++
    return true
  }

  /** Nothing happens when `bytes` lead to another value. */
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
