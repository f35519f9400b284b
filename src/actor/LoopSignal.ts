import * as Effect from "effect/Effect"

/** Wakes the endpoint's loop; a ring before the loop waits is not lost. */
export class LoopSignal {
  private isRung = false
  private wake: (() => void) | undefined = undefined

  ring(): void {
    this.isRung = true
    const { wake } = this
    this.wake = undefined
    wake?.()
  }

  clear(): void {
    this.isRung = false
  }

  readonly wait: Effect.Effect<void> = Effect.callback<void>((resume) => {
    if (this.isRung) return resume(Effect.void)
    this.wake = () => resume(Effect.void)
    return Effect.sync(() => {
      this.wake = undefined
    })
  })
}
