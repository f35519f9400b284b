/** An item of the heap; only the heap may write `deadlineMicros`. */
export interface Timed {
  /** Its index in the heap; −1 when it is not in it. */
  heapIndex: number
  deadlineMicros: number
}

/** Items by their deadline: a binary heap in which each item stores its index. */
export class DeadlineHeap<T extends Timed> {
  private readonly items: Array<T> = []

  /** Infinity when it is empty. */
  get earliestMicros(): number {
    return this.items.length === 0 ? Number.POSITIVE_INFINITY : this.items[0].deadlineMicros
  }

  /** Sets the deadline of `item`; Infinity removes it. */
  set(item: T, deadlineMicros: number): void {
    if (item.heapIndex >= 0 && item.deadlineMicros === deadlineMicros) return
    item.deadlineMicros = deadlineMicros
    if (deadlineMicros === Number.POSITIVE_INFINITY) return this.remove(item)
    if (item.heapIndex < 0) {
      item.heapIndex = this.items.length
      this.items.push(item)
    }
    this.up(item.heapIndex)
    this.down(item.heapIndex)
  }

  /** Removes an item that is due, the earliest first. */
  popDue(nowMicros: number): T | undefined {
    const first = this.items[0]
    if (first === undefined || first.deadlineMicros > nowMicros) return undefined
    this.remove(first)
    return first
  }

  remove(item: T): void {
    const { items } = this
    const index = item.heapIndex
    if (index < 0) return
    item.heapIndex = -1
    const last = items.pop()!
    if (last === item) return
    items[index] = last
    last.heapIndex = index
    this.up(index)
    this.down(last.heapIndex)
  }

  private up(start: number): void {
    const { items } = this
    let index = start
    while (index > 0) {
      const parent = (index - 1) >> 1
      if (items[parent].deadlineMicros <= items[index].deadlineMicros) return
      this.swap(index, parent)
      index = parent
    }
  }

  private down(start: number): void {
    const { items } = this
    let index = start
    for (;;) {
      let least = index
      for (let child = 2 * index + 1; child <= 2 * index + 2 && child < items.length; child++)
        if (items[child].deadlineMicros < items[least].deadlineMicros) least = child
      if (least === index) return
      this.swap(index, least)
      index = least
    }
  }

  private swap(a: number, b: number): void {
    const { items } = this
    const item = items[a]
    items[a] = items[b]
    items[b] = item
    items[a].heapIndex = a
    items[b].heapIndex = b
  }
}
