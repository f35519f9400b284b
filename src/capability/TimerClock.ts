import { Clock } from "effect/Clock"
import * as Context from "effect/Context"
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

/** Effect's own: to sleep by it is to wait for a `setTimeout`. */
const live = Context.get(Context.empty(), Clock)

/** A longer delay would overflow, and end at once. */
const MAX_TIMEOUT_MILLIS = 2 ** 31 - 1

/**
 * Calls `fire` after that time, more than 0, unless the returned function is called before. It may be called early if that
 * is weeks away. Undefined if the clock takes a fiber for it.
 */
export const startTimer = (clock: Clock, micros: number, fire: () => void): (() => void) | undefined => {
  if (hasTimers(clock)) return clock.startTimerUnsafe(micros * 1000, fire)
  if (clock !== live) return undefined
  // up: Node's timers cut fractions off, and would be a moment early
  const timeout = setTimeout(fire, Math.min(Math.ceil(micros / 1000), MAX_TIMEOUT_MILLIS))
  return () => clearTimeout(timeout)
}

/** Monotonic time in microseconds. */
export const microsOf = (clock: Clock): (() => number) =>
  hasTimers(clock)
    ? () => clock.monotonicMicrosUnsafe()
    : () => Number(clock.monotonicTimeNanosUnsafe()) / 1000

/** What tells how much time has passed: that of the wall may be set meanwhile. */
export const monotonicMicros: Effect.Effect<() => number> = Effect.map(Clock, microsOf)
