/** The initial capacity, to which an emptied queue shrinks. */
const LEAST = 8

/**
 * A queue in a ring buffer: `shift` takes constant time, where that of an array moves all remaining items. It does not
 * retain items that were taken, and an unused queue costs almost nothing.
 */
export class Fifo<T> {
  /** The capacity is a power of two, or 0. */
  private places: Array<T | undefined> = none
  private head = 0
  private count = 0

  get length(): number {
    return this.count
  }

  /** The item that `shift` will take. */
  get first(): T | undefined {
    return this.count === 0 ? undefined : this.places[this.head]
  }

  /** The item that `pop` will take. */
  get last(): T | undefined {
    return this.count === 0 ? undefined : this.places[(this.head + this.count - 1) & (this.places.length - 1)]
  }

  push(item: T): void {
    if (this.count === this.places.length) this.resize(Math.max(LEAST, 2 * this.count))
    this.places[(this.head + this.count++) & (this.places.length - 1)] = item
  }

  shift(): T | undefined {
    if (this.count === 0) return undefined
    const { places, head } = this
    const item = places[head]
    places[head] = undefined
    this.head = (head + 1) & (places.length - 1)
    if (--this.count === 0 && places.length > LEAST) this.clear()
    return item
  }

  /** Takes the newest item. */
  pop(): T | undefined {
    if (this.count === 0) return undefined
    const at = (this.head + this.count - 1) & (this.places.length - 1)
    const item = this.places[at]
    this.places[at] = undefined
    if (--this.count === 0 && this.places.length > LEAST) this.clear()
    return item
  }

  clear(): void {
    this.places = none
    this.head = 0
    this.count = 0
  }

  private resize(size: number): void {
    const places = new Array<T | undefined>(size).fill(undefined)
    for (let i = 0; i < this.count; i++) places[i] = this.places[(this.head + i) & (this.places.length - 1)]
    this.places = places
    this.head = 0
  }
}

const none: Array<never> = []
