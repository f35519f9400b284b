/** Values over time in bounded memory: buckets become twice as wide whenever there are too many. */

export const MAX_BUCKETS = 2048
/** The first width in milliseconds. */
const FINEST = 1 / 1024

interface Point {
  readonly time: number
  readonly value: number
}

interface Bucket {
  first: Point
  min: Point
  max: Point
  last: Point
}

/** A measurement that changes over time. Keeps first, last, smallest and largest value of each bucket. */
export class Series {
  private width = FINEST
  private buckets = new Map<number, Bucket>()
  private latest: number | undefined = undefined

  get last(): number | undefined {
    return this.latest
  }

  /** `time` in milliseconds, at least that of the previous one. */
  add(time: number, value: number): void {
    this.latest = value
    const point = { time, value }
    this.merge(Math.floor(time / this.width), { first: point, min: point, max: point, last: point })
    while (this.buckets.size > MAX_BUCKETS) this.widen()
  }

  /** Times and values in turn. */
  points(): ReadonlyArray<number> {
    const flat: Array<number> = []
    for (const { first, min, max, last } of this.buckets.values()) {
      const inner = min.time <= max.time ? [first, min, max, last] : [first, max, min, last]
      inner.forEach((point, i) => {
        if (i === 0 || point !== inner[i - 1]) flat.push(point.time, point.value)
      })
    }
    return flat
  }

  private merge(index: number, { first, min, max, last }: Bucket): void {
    const own = this.buckets.get(index)
    if (own === undefined) return void this.buckets.set(index, { first, min, max, last })
    own.last = last
    if (min.value < own.min.value) own.min = min
    if (max.value > own.max.value) own.max = max
  }

  private widen(): void {
    const { buckets } = this
    this.width *= 2
    this.buckets = new Map()
    for (const bucket of buckets.values()) this.merge(Math.floor(bucket.first.time / this.width), bucket)
  }
}

/** How much there was of something in each interval of time. */
export class Histogram {
  private width = FINEST
  private sums = new Map<number, number>()

  add(time: number, amount: number): void {
    const index = Math.floor(time / this.width)
    this.sums.set(index, (this.sums.get(index) ?? 0) + amount)
    while (this.sums.size > MAX_BUCKETS) this.widen()
  }

  get widthMillis(): number {
    return this.width
  }

  /** The middle of each interval that has any, and its sum, in turn. */
  points(): ReadonlyArray<number> {
    return [...this.sums].flatMap(([index, sum]) => [(index + 0.5) * this.width, sum])
  }

  private widen(): void {
    const { sums } = this
    this.width *= 2
    this.sums = new Map()
    for (const [index, sum] of sums)
      this.sums.set(Math.floor(index / 2), (this.sums.get(Math.floor(index / 2)) ?? 0) + sum)
  }
}
