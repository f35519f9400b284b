import type * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import { startTimer } from "../capability/TimerClock.ts"
import type { RunFork } from "./Branch.ts"

/**
 * One timer for all deadlines of an endpoint. It is only ever moved to an earlier one: firing early is harmless and
 * costs less than rearming it with every packet.
 */
export class DeadlineTimer {
  private readonly clock: Clock.Clock
  private readonly runFork: RunFork
  private readonly onFire: () => void
  private cancel: (() => void) | undefined = undefined
  private armedForMicros = Number.POSITIVE_INFINITY
  private isStopped = false

  /** `onFire` looks what is due, which may be nothing yet, and arms it again. */
  constructor(clock: Clock.Clock, runFork: RunFork, onFire: () => void) {
    this.clock = clock
    this.runFork = runFork
    this.onFire = onFire
  }

  /** The deadline it is armed for may have changed since. */
  get isArmed(): boolean {
    return this.cancel !== undefined
  }

  arm(deadlineMicros: number, nowMicros: number): void {
    if (deadlineMicros >= this.armedForMicros || this.isStopped) return
    this.cancel?.()
    this.armedForMicros = deadlineMicros
    this.cancel = this.start(Math.max(0, Math.ceil(deadlineMicros - nowMicros)))
  }

  /** Stops it permanently. */
  stop(): void {
    this.isStopped = true
    this.cancel?.()
    this.cancel = undefined
  }

  private start(delayMicros: number): () => void {
    const { clock } = this
    // a timer of a simulation that is due already must not stop its time
    const cancel = delayMicros > 0 ? startTimer(clock, delayMicros, this.fire) : undefined
    if (cancel !== undefined) return cancel
    const sleep = clock.sleep(Duration.micros(BigInt(delayMicros)))
    const fiber = this.runFork(Effect.flatMap(sleep, () => Effect.sync(this.fire)))
    return () => fiber.interruptUnsafe()
  }

  private readonly fire = (): void => {
    this.armedForMicros = Number.POSITIVE_INFINITY
    this.cancel = undefined
    this.onFire()
  }
}
