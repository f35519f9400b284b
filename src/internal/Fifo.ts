/** The first array; a queue that many others have been in does not keep one larger than this. */
const LEAST = 8

/**
 * A queue as a ring: first in, first out, in constant time however long it is, where `shift` of an array moves all that
 * are left. It holds on to nothing that has been taken, and costs next to nothing before it is used.
 */
export class Fifo<T> {
  /** A power of two of places, or none. */
  private places: Array<T | undefined> = none
  private head = 0
  private count = 0

  get length(): number {
    return this.count
  }

  /** The next that `shift` takes. */
  get first(): T | undefined {
    return this.count === 0 ? undefined : this.places[this.head]
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
