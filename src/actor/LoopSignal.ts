import * as Effect from "effect/Effect"

/** Wakes the endpoint's loop; a ring before the loop waits is not lost. */
export class LoopSignal {
  private isRung = false
  private wake: ((atOnce?: boolean) => void) | undefined = undefined

  /** With `atOnce`, a loop that waits runs its turn before this returns, which saves an iteration of the event loop. */
  ring(atOnce = false): void {
    this.isRung = true
    const { wake } = this
    this.wake = undefined
    wake?.(atOnce)
  }

  clear(): void {
    this.isRung = false
  }

  /**
   * Runs `turn` after each ring, until interrupted. Fibers that are ready run first: what they write is sent in the same
   * turn. The ring queues the turn, instead of waking the loop only for it to yield.
   */
  forever(turn: () => void): Effect.Effect<never> {
    const next = Effect.sync(turn)
    return Effect.withFiber(({ currentDispatcher }) => {
      const wait = Effect.callback<void>((resume) => {
        const wake = (atOnce = false): void => {
          if (atOnce) resume(next)
          else currentDispatcher.scheduleTask(() => resume(next), 0)
        }
        if (this.isRung) wake()
        else this.wake = wake
      })
      return Effect.forever(wait, { disableYield: true })
    })
  }
}
