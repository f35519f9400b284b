/** How many are inside, and when the last has left. */
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"

export class Occupancy {
  private count = 0
  private left: Deferred.Deferred<void> | undefined = undefined

  /** Runs `visit` inside. */
  during<A, E, R>(visit: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> {
    return Effect.suspend(() => {
      this.count++
      return Effect.onExit(visit, () => Effect.sync(() => this.leave()))
    })
  }

  private leave(): void {
    this.count--
    if (this.count > 0 || this.left === undefined) return
    Deferred.doneUnsafe(this.left, Effect.void)
    this.left = undefined
  }

  /** Waits until nobody is inside. */
  get whenEmpty(): Effect.Effect<void> {
    return Effect.suspend(() => {
      if (this.count === 0) return Effect.void
      this.left ??= Deferred.makeUnsafe<void>()
      return Effect.andThen(Deferred.await(this.left), this.whenEmpty)
    })
  }
}
