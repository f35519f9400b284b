import * as Effect from "effect/Effect"

/**
 * Fibers parked until something they wait for may have changed. Waking is collected by the endpoint's loop and done
 * at its top, never from inside the core; whoever is woken looks again, so a wake-up too many is harmless.
 *
 * There are several for each connection and stream, and on most nobody ever waits: an unused one costs one field.
 */
export class WaitList {
  private waiting: Array<() => void> | undefined = undefined

  get size(): number {
    return this.waiting?.length ?? 0
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
    if (this.waiting === undefined) this.waiting = [wake]
    else this.waiting.push(wake)
    return () => {
      const at = this.waiting?.indexOf(wake) ?? -1
      if (at >= 0) this.waiting!.splice(at, 1)
    }
  }

  wakeAll(): void {
    const { waiting } = this
    if (waiting === undefined) return
    this.waiting = undefined
    for (const wake of waiting) wake()
  }
}
