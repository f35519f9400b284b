/** Disjoint, non-adjacent ranges `[start, end)` of stream offsets, in order. */
export class RangeSet {
  /** start, end, start, end, … */
  private readonly bounds: Array<number> = []

  get isEmpty(): boolean {
    return this.bounds.length === 0
  }

  get count(): number {
    return this.bounds.length / 2
  }

  /** Start of the lowest range; the set must not be empty. */
  get firstStart(): number {
    return this.bounds[0]
  }

  get firstEnd(): number {
    return this.bounds[1]
  }

  startAt(index: number): number {
    return this.bounds[2 * index]
  }

  endAt(index: number): number {
    return this.bounds[2 * index + 1]
  }

  /** The index of the first range that ends at or after `offset`. */
  indexAt(offset: number): number {
    return this.firstEndingAtOrAfter(offset) / 2
  }

  add(start: number, end: number): void {
    if (start >= end) return
    const { bounds } = this
    const { length } = bounds
    // fast path: appended after the last range, or merged with it
    if (length === 0 || start > bounds[length - 1]) {
      bounds.push(start, end)
      return
    }
    const from = this.firstEndingAtOrAfter(start)
    let to = from
    let low = start
    let high = end
    while (to < length && bounds[to] <= end) {
      if (bounds[to] < low) low = bounds[to]
      if (bounds[to + 1] > high) high = bounds[to + 1]
      to += 2
    }
    if (to === from + 2) {
      bounds[from] = low
      bounds[from + 1] = high
    } else bounds.splice(from, to - from, low, high)
  }

  remove(start: number, end: number): void {
    const { bounds } = this
    if (start >= end || bounds.length === 0 || start >= bounds[bounds.length - 1]) return
    const from = this.firstEndingAtOrAfter(start)
    let to = from
    while (to < bounds.length && bounds[to] < end) to += 2
    if (to === from) return
    const low = bounds[from]
    const high = bounds[to - 1]
    if (low < start && high > end) bounds.splice(from, to - from, low, start, end, high)
    else if (low < start) bounds.splice(from, to - from, low, Math.min(start, bounds[from + 1]))
    else if (high > end) bounds.splice(from, to - from, end, high)
    else bounds.splice(from, to - from)
  }

  clear(): void {
    this.bounds.length = 0
  }

  /** Index into `bounds` of the first range that ends at or after `offset`. */
  private firstEndingAtOrAfter(offset: number): number {
    const { bounds } = this
    let low = 0
    let high = bounds.length >> 1
    while (low < high) {
      const middle = (low + high) >> 1
      if (bounds[2 * middle + 1] < offset) low = middle + 1
      else high = middle
    }
    return 2 * low
  }
}
