import * as Effect from "effect/Effect"

/** A place in the list. */
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
 * Fibers parked until something they wait for may have changed. Waking is collected by the endpoint's loop and done
 * at its top, never from inside the core; whoever is woken looks again, so a wake-up too many is harmless.
 *
 * There are several for each connection and stream, and on most nobody ever waits: an unused one costs three fields. The
 * application may let any number wait, so joining and leaving take the same time however many do.
 */
export class WaitList {
  private first: Waiter | undefined = undefined
  private last: Waiter | undefined = undefined
  private count = 0

  get size(): number {
    return this.count
  }

  /** Parks the calling fiber; interrupting it takes it off the list. */
  get park(): Effect.Effect<void> {
    return this.parkThen(Effect.void)
  }

  /** Parks the calling fiber, which goes on with `next`. */
  parkThen<A, E>(next: Effect.Effect<A, E>, onParked?: () => void): Effect.Effect<A, E> {
    return Effect.callback<A, E>((resume) => {
      const unlisten = this.listen(() => resume(next))
      onParked?.()
      return Effect.sync(unlisten)
    })
  }

  /** Calls `wake` once, unless what is returned is called before. */
  listen(wake: () => void): () => void {
    const waiter = new Waiter(wake)
    waiter.previous = this.last
    if (this.last === undefined) this.first = waiter
    else this.last.next = waiter
    this.last = waiter
    this.count++
    return () => this.remove(waiter)
  }

  /** Wakes those who have waited longest. */
  wakeFirst(count: number): void {
    for (let i = 0; i < count && this.first !== undefined; i++) {
      const waiter = this.first
      this.remove(waiter)
      waiter.wake()
    }
  }

  /** Those who begin to wait meanwhile are not woken. */
  wakeAll(): void {
    const { first } = this
    if (first === undefined) return
    this.first = this.last = undefined
    this.count = 0
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
    this.count--
  }
}
