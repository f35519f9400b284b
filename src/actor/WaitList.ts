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
    return this.parkAnd(nothing)
  }

  /** Parks the calling fiber, and then does something that may wake it. */
  parkAnd(then: () => void): Effect.Effect<void> {
    return Effect.callback<void>((resume) => {
      const unlisten = this.listen(() => resume(Effect.void))
      then()
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

const nothing = (): void => {}
