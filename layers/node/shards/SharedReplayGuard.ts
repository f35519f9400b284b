/**
 * A guard against replayed 0-RTT that all threads of a process share: two generations of keys in shared memory, under a
 * lock that is held for a microsecond. RFC 8446 §8.2
 */
import type { ReplayGuardShape } from "../../../src/capability/ReplayGuard.ts"

/** Keys per generation; two are kept. */
const GENERATION = 65_536
const SLOT_BYTES = 8
const HEADER_BYTES = 32
/** Significant bytes of a binder: unpredictable ones, six of which fit a number. */
const KEY_BYTES = 6
/** A thread that ended in the middle never gives the lock back. */
const PATIENCE_MILLIS = 20

/** The words of the header. */
const Word = { Lock: 0, Current: 1, Count: 2 } as const
/** The moments in it: what was used before the first may be forgotten; the current generation began at the second. */
const Moment = { ForgottenUntil: 2, CurrentFrom: 3 } as const

/** The memory of a guard, to be handed to every thread. Times are Unix milliseconds. */
export const makeSharedMemory = (nowMillis: number, generation = GENERATION): SharedArrayBuffer => {
  // twice the slots a generation uses, so that a search is short
  const memory = new SharedArrayBuffer(HEADER_BYTES + 2 * 2 * generation * SLOT_BYTES)
  const moments = new Float64Array(memory, 0, HEADER_BYTES / SLOT_BYTES)
  moments[Moment.ForgottenUntil] = nowMillis - 1
  moments[Moment.CurrentFrom] = nowMillis
  return memory
}

export class SharedReplayGuard implements ReplayGuardShape {
  private readonly words: Int32Array
  private readonly moments: Float64Array
  private readonly generations: readonly [Float64Array, Float64Array]
  private readonly slots: number

  constructor(memory: SharedArrayBuffer) {
    this.slots = (memory.byteLength - HEADER_BYTES) / (2 * SLOT_BYTES)
    this.words = new Int32Array(memory, 0, HEADER_BYTES / 4)
    this.moments = new Float64Array(memory, 0, HEADER_BYTES / SLOT_BYTES)
    this.generations = [
      new Float64Array(memory, HEADER_BYTES, this.slots),
      new Float64Array(memory, HEADER_BYTES + this.slots * SLOT_BYTES, this.slots)
    ]
  }

  readonly admit = (binder: Uint8Array, earliestMillis: number, nowMillis: number): boolean => {
    this.lock()
    try {
      if (earliestMillis <= this.moments[Moment.ForgottenUntil]) return false
      const key = keyOf(binder)
      if (this.has(0, key) || this.has(1, key)) return false
      this.add(key, nowMillis)
      return true
    } finally {
      this.unlock()
    }
  }

  private add(key: number, nowMillis: number): void {
    const { words, moments, slots } = this
    if (words[Word.Count] >= slots / 2) {
      // the older generation is dropped: what it may have known is refused from now on
      moments[Moment.ForgottenUntil] = moments[Moment.CurrentFrom]
      moments[Moment.CurrentFrom] = nowMillis
      words[Word.Current] ^= 1
      words[Word.Count] = 0
      this.generations[words[Word.Current]].fill(0)
    }
    const table = this.generations[words[Word.Current]]
    table[this.find(table, key)] = key
    words[Word.Count]++
  }

  private has(generation: 0 | 1, key: number): boolean {
    const table = this.generations[generation]
    return table[this.find(table, key)] === key
  }

  /** The slot that holds `key`, or that it would take. */
  private find(table: Float64Array, key: number): number {
    const { slots } = this
    let slot = key % slots
    while (table[slot] !== 0 && table[slot] !== key) slot = slot + 1 === slots ? 0 : slot + 1
    return slot
  }

  private lock(): void {
    const { words } = this
    while (Atomics.compareExchange(words, Word.Lock, 0, 1) !== 0)
      if (Atomics.wait(words, Word.Lock, 1, PATIENCE_MILLIS) === "timed-out") return
  }

  private unlock(): void {
    Atomics.store(this.words, Word.Lock, 0)
    Atomics.notify(this.words, Word.Lock, 1)
  }
}

/** Never 0, which marks a free slot. */
const keyOf = (binder: Uint8Array): number => {
  let key = 1
  for (let i = Math.max(0, binder.length - KEY_BYTES); i < binder.length; i++) key = key * 256 + binder[i]
  return key
}
