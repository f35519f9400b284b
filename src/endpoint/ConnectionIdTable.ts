/**
 * Which connection a datagram belongs to, by destination connection ID. RFC 9000 §5.2
 *
 * IDs are looked up by a number made of their first six bytes, so that the packet path builds no strings; the rest
 * is compared on a hit. Two IDs that share those bytes never meet: `add` refuses the second.
 */
export class ConnectionIdTable<C> {
  private readonly entries = new Map<number, { readonly id: Uint8Array; readonly connection: C }>()

  get size(): number {
    return this.entries.size
  }

  /** False when an ID with the same first six bytes is there already. */
  add(id: Uint8Array, connection: C): boolean {
    const key = keyOf(id, 0, id.length)
    if (this.entries.has(key)) return false
    this.entries.set(key, { id, connection })
    return true
  }

  /** True when an ID could be added. */
  isFree(id: Uint8Array): boolean {
    return !this.entries.has(keyOf(id, 0, id.length))
  }

  remove(id: Uint8Array): void {
    const key = keyOf(id, 0, id.length)
    const entry = this.entries.get(key)
    if (entry !== undefined && sameBytes(entry.id, id, 0, id.length)) this.entries.delete(key)
  }

  get(bytes: Uint8Array, start: number, end: number): C | undefined {
    const entry = this.entries.get(keyOf(bytes, start, end))
    return entry !== undefined && sameBytes(entry.id, bytes, start, end) ? entry.connection : undefined
  }
}

const keyOf = (bytes: Uint8Array, start: number, end: number): number => {
  let key = 0
  const last = end - start > 6 ? start + 6 : end
  for (let i = start; i < last; i++) key = key * 256 + bytes[i]
  return key
}

const sameBytes = (id: Uint8Array, bytes: Uint8Array, start: number, end: number): boolean => {
  if (id.length !== end - start) return false
  for (let i = 6; i < id.length; i++) if (id[i] !== bytes[start + i]) return false
  return true
}
