import * as Effect from "effect/Effect"

/**
 * Fibers parked until something they wait for may have changed. Waking is collected by the endpoint's loop and done
 * at its top, never from inside the core; whoever is woken looks again, so a wake-up too many is harmless.
 */
export class WaitList {
  private waiting: Array<() => void> = []

  get size(): number {
    return this.waiting.length
  }

  /** Parks the calling fiber; interrupting it takes it off the list. */
  readonly park: Effect.Effect<void> = Effect.callback<void>((resume) => {
    const wake = () => resume(Effect.void)
    this.waiting.push(wake)
    return Effect.sync(() => {
      const at = this.waiting.indexOf(wake)
      if (at >= 0) this.waiting.splice(at, 1)
    })
  })

  wakeAll(): void {
    if (this.waiting.length === 0) return
    const { waiting } = this
    this.waiting = []
    for (const wake of waiting) wake()
  }
}
