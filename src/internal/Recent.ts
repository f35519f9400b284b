/** Remembers a bounded number of values; the least recently used is forgotten first. */
export class Recent<A> {
  private readonly capacity: number
  private readonly values = new Map<string, A>()

  constructor(capacity: number) {
    this.capacity = capacity
  }

  get size(): number {
    return this.values.size
  }

  get(key: string): A | undefined {
    const value = this.values.get(key)
    if (value !== undefined) this.set(key, value)
    return value
  }

  set(key: string, value: A): void {
    this.values.delete(key)
    this.values.set(key, value)
    if (this.values.size <= this.capacity) return
    for (const oldest of this.values.keys()) {
      this.values.delete(oldest)
      return
    }
  }
}
