/** The limit of separate ranges; a peer without gaps in its numbers needs a fraction of it. */
const MAX_RANGES = 32

/**
 * The retired sequence numbers, as ranges. RFC 9000 §5.1.2
 *
 * Sequence numbers grow by one, so only those in use or in flight are missing, and the ranges are few. If a peer leaves
 * gaps, the lowest ranges are merged: the numbers between them then count as retired.
 */
export class RetiredSequences {
  /** first, past the last; first, past the last; … ascending and never adjacent */
  private readonly ranges: Array<number> = []

  has(sequence: number): boolean {
    const { ranges } = this
    for (let i = 0; i < ranges.length; i += 2) if (sequence < ranges[i + 1]) return sequence >= ranges[i]
    return false
  }

  add(sequence: number): void {
    this.addRange(sequence, sequence + 1)
  }

  /** Adds every number below `end`. */
  addBelow(end: number): void {
    if (end > 0) this.addRange(0, end)
  }

  /** How many numbers below `end` are not retired. */
  missingBelow(end: number): number {
    const { ranges } = this
    let missing = end
    for (let i = 0; i < ranges.length && ranges[i] < end; i += 2)
      missing -= Math.min(ranges[i + 1], end) - ranges[i]
    return missing
  }

  /** The lowest number from `from` on that is not retired. */
  nextMissing(from: number): number {
    const { ranges } = this
    for (let i = 0; i < ranges.length; i += 2)
      if (from < ranges[i + 1]) return from < ranges[i] ? from : ranges[i + 1]
    return from
  }

  private addRange(first: number, end: number): void {
    const { ranges } = this
    let from = 0
    while (from < ranges.length && ranges[from + 1] < first) from += 2
    let to = from
    while (to < ranges.length && ranges[to] <= end) to += 2
    if (to > from) {
      first = Math.min(first, ranges[from])
      end = Math.max(end, ranges[to - 1])
    }
    ranges.splice(from, to - from, first, end)
    if (ranges.length > 2 * MAX_RANGES) ranges.splice(1, 2)
  }
}
