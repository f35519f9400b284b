import * as Effect from "effect/Effect"
import * as Effectable from "effect/Effectable"

/** How a waiter continues. */
type Resume = (next: Effect.Effect<never, never>) => void

/**
 * An entry of the list, and the effect that takes it off again. One object, without closures: every parked fiber keeps one,
 * and a server may have hundreds of thousands.
 */
class Waiter extends Effectable.Class<void> {
  /** Undefined once it has been woken or has left. */
  list: WaitList | undefined
  private readonly resume: Resume
  private readonly next: Effect.Effect<never, never>
  before: Waiter | undefined = undefined
  after: Waiter | undefined = undefined

  constructor(list: WaitList, resume: Resume, next: Effect.Effect<never, never>) {
    super()
    this.list = list
    this.resume = resume
    this.next = next
  }

  wake(): void {
    this.resume(this.next)
  }

  leave(): void {
    this.list?.remove(this)
  }

  asEffect(): Effect.Effect<void> {
    return Effect.sync(() => this.leave())
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
      const waiter = this.add(resume as Resume, next as Effect.Effect<never, never>)
      onParked?.()
      return waiter
    })
  }

  /** Calls `wake` once, unless the returned function is called before. */
  listen(wake: () => void): () => void {
    const waiter = this.add(wake, Effect.never)
    return () => waiter.leave()
  }

  private add(resume: Resume, next: Effect.Effect<never, never>): Waiter {
    const waiter = new Waiter(this, resume, next)
    waiter.before = this.last
    if (this.last === undefined) this.first = waiter
    else this.last.after = waiter
    this.last = waiter
    this.resize(1)
    return waiter
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
    for (let waiter: Waiter | undefined = first; waiter !== undefined; waiter = waiter.after)
      waiter.list = undefined
    for (let waiter: Waiter | undefined = first; waiter !== undefined; waiter = waiter.after) waiter.wake()
  }

  /** @internal */
  remove(waiter: Waiter): void {
    const { before, after } = waiter
    waiter.list = undefined
    if (before === undefined) this.first = after
    else before.after = after
    if (after === undefined) this.last = before
    else after.before = before
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
