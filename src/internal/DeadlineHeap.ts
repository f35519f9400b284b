/** An item of the heap; only the heap may write these fields. */
export interface Timed {
  /** Its index in the heap; −1 when it is not in it. */
  heapIndex: number
  deadlineMicros: number
}

/**
 * Items by their deadline: a binary heap in which each item stores its index.
 *
 * Deadlines mostly move to later, packet by packet, so an item that does stays where it is until it comes to the top:
 * its key in the heap is at most its deadline. Keys are apart from the items, whose memory is cold when there are
 * thousands.
 */
export class DeadlineHeap<T extends Timed> {
  private readonly items: Array<T> = []
  private readonly keys: Array<number> = []

  /** Infinity when it is empty. */
  get earliestMicros(): number {
    this.settleTop()
    return this.items.length === 0 ? Number.POSITIVE_INFINITY : this.keys[0]
  }

  /** Sets the deadline of `item`; Infinity removes it. */
  set(item: T, deadlineMicros: number): void {
    item.deadlineMicros = deadlineMicros
    if (deadlineMicros === Number.POSITIVE_INFINITY) return this.remove(item)
    if (item.heapIndex < 0) this.up(this.items.length, item, deadlineMicros)
    else if (deadlineMicros < this.keys[item.heapIndex]) this.up(item.heapIndex, item, deadlineMicros)
  }

  /** Removes an item that is due, the earliest first. */
  popDue(nowMicros: number): T | undefined {
    if (this.earliestMicros > nowMicros) return undefined
    const first = this.items[0]
    if (first !== undefined) this.remove(first)
    return first
  }

  remove(item: T): void {
    const { items, keys } = this
    const index = item.heapIndex
    if (index < 0) return
    item.heapIndex = -1
    const last = items.pop()!
    const key = keys.pop()!
    if (last === item) return
    if (index > 0 && keys[(index - 1) >> 1] > key) this.up(index, last, key)
    else this.down(index, last, key)
  }

  /** Moves items whose deadline is later than their key away from the top. */
  private settleTop(): void {
    const { items, keys } = this
    while (items.length > 0 && keys[0] < items[0].deadlineMicros)
      this.down(0, items[0], items[0].deadlineMicros)
  }

  /** Places `item` at `start`, or above. */
  private up(start: number, item: T, key: number): void {
    const { keys, items } = this
    let index = start
    while (index > 0) {
      const parent = (index - 1) >> 1
      if (keys[parent] <= key) break
      this.place(index, items[parent], keys[parent])
      index = parent
    }
    this.place(index, item, key)
  }

  /** Places `item` at `start`, or below. */
  private down(start: number, item: T, key: number): void {
    const { keys, items } = this
    const { length } = items
    let index = start
    for (let child = 2 * index + 1; child < length; child = 2 * index + 1) {
      if (child + 1 < length && keys[child + 1] < keys[child]) child++
      if (keys[child] >= key) break
      this.place(index, items[child], keys[child])
      index = child
    }
    this.place(index, item, key)
  }

  private place(index: number, item: T, key: number): void {
    this.items[index] = item
    this.keys[index] = key
    item.heapIndex = index
  }
}
