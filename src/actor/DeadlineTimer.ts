import type * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as Fiber from "effect/Fiber"
import type { RunFork } from "./Branch.ts"

/**
 * One timer for all deadlines of an endpoint. It is only ever moved to an earlier one: firing early is harmless and
 * costs less than rearming it with every packet.
 */
export class DeadlineTimer {
  private readonly clock: Clock.Clock
  private readonly runFork: RunFork
  private readonly onFire: () => void
  private fiber: Fiber.Fiber<unknown> | undefined = undefined
  private armedForMicros = Number.POSITIVE_INFINITY
  private isStopped = false

  constructor(clock: Clock.Clock, runFork: RunFork, onFire: () => void) {
    this.clock = clock
    this.runFork = runFork
    this.onFire = onFire
  }

  /** The deadline it is armed for may have changed since. */
  get isArmed(): boolean {
    return this.fiber !== undefined
  }

  arm(deadlineMicros: number, nowMicros: number): void {
    if (deadlineMicros >= this.armedForMicros || this.isStopped) return
    this.fiber?.interruptUnsafe()
    this.armedForMicros = deadlineMicros
    const delay = Math.max(0, deadlineMicros - nowMicros)
    this.fiber = this.runFork(
      Effect.flatMap(this.clock.sleep(Duration.micros(BigInt(Math.ceil(delay)))), () =>
        Effect.sync(() => {
          this.armedForMicros = Number.POSITIVE_INFINITY
          this.fiber = undefined
          this.onFire()
        })
      )
    )
  }

  /** Stops it permanently. */
  stop(): void {
    this.isStopped = true
    this.fiber?.interruptUnsafe()
    this.fiber = undefined
  }
}
