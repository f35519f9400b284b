/** Whether a machine runs, and the programs that start with it. */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type * as Scope from "effect/Scope"

export class HostLife {
  isUp = true
  private waiting: Array<() => void> = []

  turn(isUp: boolean): void {
    if (this.isUp === isUp) return
    this.isUp = isUp
    const waiting = this.waiting
    this.waiting = []
    for (const wake of waiting) wake()
  }

  /**
   * Runs the program to its end; from the beginning again whenever the machine comes up after a crash, which interrupts
   * it. Every life has a scope of its own, and the next one waits until the finalizers of the last are through.
   */
  run<A, E, R>(program: Effect.Effect<A, E, R>): Effect.Effect<A, E, Exclude<R, Scope.Scope>> {
    const crash = Effect.as(this.until(false), Option.none<A>())
    const life = Effect.raceFirst(Effect.asSome(Effect.scoped(program)), crash)
    const lives: Effect.Effect<A, E, Exclude<R, Scope.Scope>> = Effect.flatMap(
      Effect.andThen(this.until(true), life),
      (result) => (Option.isSome(result) ? Effect.succeed(result.value) : lives)
    )
    return lives
  }

  private until(isUp: boolean): Effect.Effect<void> {
    return Effect.suspend(() => {
      if (this.isUp === isUp) return Effect.void
      return Effect.callback<void>((resume) => {
        const wake = (): void => resume(Effect.void)
        this.waiting.push(wake)
        return Effect.sync(() => {
          this.waiting = this.waiting.filter((other) => other !== wake)
        })
      })
    })
  }
}
