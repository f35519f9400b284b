/** Whether a host is up, and the programs that run on it. */
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
   * Runs the program to completion. A crash interrupts it, and it starts over when the host restarts. Each run has its own
   * scope and waits for the finalizers of the previous one.
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
