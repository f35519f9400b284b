import * as Effect from "effect/Effect"

/** An entry of the list. */
class Waiter {
  readonly wake: () => void
  isWaiting = true
  previous: Waiter | undefined = undefined
  next: Waiter | undefined = undefined

  constructor(wake: () => void) {
    this.wake = wake
  }
}

/**
 * Fibers parked until something they wait for may have changed. Wake-ups are collected by the endpoint's loop and done
 * at its top, never from inside the core; woken fibers check again, so spurious wake-ups are harmless.
 *
 * There are several per connection and stream, most of them never used: an empty one takes three fields. The
 * application may park any number of fibers, so joining and leaving take constant time.
 */
export class WaitList {
  private first: Waiter | undefined = undefined
  private last: Waiter | undefined = undefined
  private count = 0

  get size(): number {
    return this.count
  }

  /** Parks the calling fiber; interruption removes it from the list. */
  get park(): Effect.Effect<void> {
    return this.parkThen(Effect.void)
  }

  /** Parks the calling fiber, which continues with `next`. */
  parkThen<A, E>(next: Effect.Effect<A, E>, onParked?: () => void): Effect.Effect<A, E> {
    return Effect.callback<A, E>((resume) => {
      const unlisten = this.listen(() => resume(next))
      onParked?.()
      return Effect.sync(unlisten)
    })
  }

  /** Calls `wake` once, unless the returned function is called before. */
  listen(wake: () => void): () => void {
    const waiter = new Waiter(wake)
    waiter.previous = this.last
    if (this.last === undefined) this.first = waiter
    else this.last.next = waiter
    this.last = waiter
    this.resize(1)
    return () => this.remove(waiter)
  }

  /** Wakes the fibers that have waited longest. */
  wakeFirst(count: number): void {
    for (let i = 0; i < count && this.first !== undefined; i++) {
      const waiter = this.first
      this.remove(waiter)
      waiter.wake()
    }
  }

  /** Fibers that begin to wait meanwhile are not woken. */
  wakeAll(): void {
    const { first } = this
    if (first === undefined) return
    this.first = this.last = undefined
    this.resize(-this.count)
    for (let waiter: Waiter | undefined = first; waiter !== undefined; waiter = waiter.next)
      waiter.isWaiting = false
    for (let waiter: Waiter | undefined = first; waiter !== undefined; waiter = waiter.next) waiter.wake()
  }

  private remove(waiter: Waiter): void {
    if (!waiter.isWaiting) return
    const { previous, next } = waiter
    waiter.isWaiting = false
    if (previous === undefined) this.first = next
    else previous.next = next
    if (next === undefined) this.last = previous
    else next.previous = previous
    this.resize(-1)
  }

  protected resize(by: number): void {
    this.count += by
  }
}

/** Is told how many fibers wait in some lists. */
export interface Tally {
  add(by: number): void
}

/** Counts its fibers together with those of other lists. */
export class TalliedWaitList extends WaitList {
  private readonly tally: Tally

  constructor(tally: Tally) {
    super()
    this.tally = tally
  }

  protected override resize(by: number): void {
    super.resize(by)
    this.tally.add(by)
  }
}
