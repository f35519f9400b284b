import { Clock } from "effect/Clock"
import * as Effect from "effect/Effect"

/** A clock that calls back without a fiber that sleeps, and tells the time without a bigint, as a simulation's does. */
export interface TimerClock extends Clock {
  /** As `monotonicTimeNanosUnsafe`, in microseconds. */
  monotonicMicrosUnsafe(): number
  /** Calls `fire` after that time, more than 0, unless the returned function is called before. */
  startTimerUnsafe(nanos: number, fire: () => void): () => void
}

export const hasTimers = (clock: Clock): clock is TimerClock =>
  (clock as Partial<TimerClock>).startTimerUnsafe !== undefined

/** Monotonic time in microseconds. */
export const microsOf = (clock: Clock): (() => number) =>
  hasTimers(clock)
    ? () => clock.monotonicMicrosUnsafe()
    : () => Number(clock.monotonicTimeNanosUnsafe()) / 1000

/** What tells how much time has passed: that of the wall may be set meanwhile. */
export const monotonicMicros: Effect.Effect<() => number> = Effect.map(Clock, microsOf)
