import * as Effect from "effect/Effect"

/** Wakes the endpoint's loop; a ring before the loop waits is not lost. */
export class LoopSignal {
  private isRung = false
  private wake: ((atOnce: boolean) => void) | undefined = undefined

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
   * Runs `turn` after each ring, until interrupted; fails with its defect. Fibers that are ready run first: what they write
   * is sent in the same turn. The fiber that this returns to stays parked: a turn is a task of its scheduler, as waking the
   * fiber for it and parking it again would take several steps of Effect's each time.
   */
  forever(turn: () => void): Effect.Effect<never> {
    return Effect.withFiber(({ currentDispatcher }) =>
      Effect.callback<never>((resume) => {
        let isOver = false
        const wake = (atOnce: boolean): void => {
          if (atOnce) next()
          else currentDispatcher.scheduleTask(next, 0)
        }
        const wait = (): void => {
          if (this.isRung) wake(false)
          else this.wake = wake
        }
        const next = (): void => {
          if (isOver) return
          try {
            turn()
          } catch (defect) {
            return resume(Effect.die(defect))
          }
          wait()
        }
        wait()
        return Effect.sync(() => {
          isOver = true
          this.wake = undefined
        })
      })
    )
  }
}
