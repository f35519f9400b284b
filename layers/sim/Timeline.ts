/** Virtual time and its pending events: a heap ordered by time, then by age. */

/** An event at a virtual time; can be cancelled. */
export class TimelineEvent {
  readonly atNanos: number
  readonly order: number
  readonly run: () => void
  /** It only moves packets between nodes of the network. */
  readonly isTransit: boolean
  /** Index in the heap; -1 once run or cancelled. */
  index = -1

  constructor(atNanos: number, order: number, run: () => void, isTransit: boolean) {
    this.atNanos = atNanos
    this.order = order
    this.run = run
    this.isTransit = isTransit
  }
}

export class Timeline {
  /** Since the start of the simulation. Exact up to 104 days. */
  nowNanos = 0
  /** How many events have run. */
  eventsRun = 0
  /** Whether an event may have run a part of the simulated program. Reset by whoever wants to know. */
  hasReachedProgram = false
  /** Called before each of them, at its time. */
  onStep: (() => void) | undefined = undefined
  private readonly heap: Array<TimelineEvent> = []
  private nextOrder = 0

  /** Number of pending events. */
  get pending(): number {
    return this.heap.length
  }

  /** Time of the next event; Infinity if there is none. */
  get nextNanos(): number {
    return this.heap.length === 0 ? Infinity : this.heap[0].atNanos
  }

  /** Schedules `run` at `atNanos`, or next if that is in the past. */
  at(atNanos: number, run: () => void, isTransit = false): TimelineEvent {
    const at = Math.max(this.nowNanos, Math.ceil(atNanos))
    const event = new TimelineEvent(at, this.nextOrder++, run, isTransit)
    event.index = this.heap.length
    this.heap.push(event)
    this.siftUp(event.index)
    return event
  }

  cancel(event: TimelineEvent): void {
    const index = event.index
    if (index === -1) return
    event.index = -1
    const last = this.heap.pop()!
    if (last === event) return
    this.put(last, index)
    this.siftUp(index)
    this.siftDown(last.index)
  }

  /** Jumps to the next event and runs everything due at that instant. Returns false if there is none. */
  advance(): boolean {
    if (this.heap.length === 0) return false
    this.nowNanos = this.heap[0].atNanos
    while (this.heap.length > 0 && this.heap[0].atNanos === this.nowNanos) {
      const event = this.heap[0]
      this.cancel(event)
      this.eventsRun++
      if (!event.isTransit) this.hasReachedProgram = true
      this.onStep?.()
      event.run()
    }
    return true
  }

  private put(event: TimelineEvent, index: number): void {
    this.heap[index] = event
    event.index = index
  }

  private siftUp(start: number): void {
    const event = this.heap[start]
    let index = start
    while (index > 0) {
      const parent = (index - 1) >> 1
      if (!isBefore(event, this.heap[parent])) break
      this.put(this.heap[parent], index)
      index = parent
    }
    this.put(event, index)
  }

  private siftDown(start: number): void {
    const event = this.heap[start]
    const size = this.heap.length
    let index = start
    for (;;) {
      let child = 2 * index + 1
      if (child >= size) break
      if (child + 1 < size && isBefore(this.heap[child + 1], this.heap[child])) child++
      if (!isBefore(this.heap[child], event)) break
      this.put(this.heap[child], index)
      index = child
    }
    this.put(event, index)
  }
}

const isBefore = (a: TimelineEvent, b: TimelineEvent): boolean =>
  a.atNanos < b.atNanos || (a.atNanos === b.atNanos && a.order < b.order)
