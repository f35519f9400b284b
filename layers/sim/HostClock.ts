/**
 * The clock of one host. Its wall time can be wrong, run fast or slow, and be set, as determined by `skew`. Its monotonic
 * time, and so every sleep, is unaffected, as on a real machine whose clock is adjusted.
 */
import type { Clock } from "effect/Clock"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import { hasTimers, microsOf, type TimerClock } from "../../src/capability/TimerClock.ts"
import { checkRange } from "./simConfig.ts"

const nanosPerMilli = 1_000_000
const longestMillis = 100 * 365 * 86_400_000

/** The offset of a host's wall clock; shared by all programs of the host. */
export class ClockSkew {
  private aheadMillis = 0
  private driftPpm = 0
  /** Monotonic time of the last change of the drift. */
  private sinceNanos = 0

  /** How far the wall clock is ahead of true time; negative if behind. */
  aheadNanos(nowNanos: number): number {
    return Math.round(this.aheadMillis * nanosPerMilli + ((nowNanos - this.sinceNanos) * this.driftPpm) / 1e6)
  }

  /** Moves the wall clock forward, or back if negative. At most a hundred years. */
  jump(byMillis: number): void {
    checkRange("jump", byMillis, -longestMillis, longestMillis)
    this.aheadMillis += byMillis
  }

  /** From `nowNanos` on, the wall clock runs fast by `ppm` millionths, or slow if negative. */
  drift(ppm: number, nowNanos: number): void {
    checkRange("drift", ppm, -500_000, 500_000)
    this.aheadMillis = this.aheadNanos(nowNanos) / nanosPerMilli
    this.sinceNanos = nowNanos
    this.driftPpm = ppm
  }
}

export class HostClock implements Clock {
  /** Of the world, if it has any. */
  readonly startTimerUnsafe: TimerClock["startTimerUnsafe"] | undefined
  readonly monotonicMicrosUnsafe: () => number
  private readonly world: Clock
  private readonly skew: ClockSkew

  /** `world` is the simulation's clock; if it is a host's clock, the one it wraps is used. */
  constructor(world: Clock, skew: ClockSkew) {
    const clock = world instanceof HostClock ? world.world : world
    this.world = clock
    this.startTimerUnsafe = hasTimers(clock)
      ? (nanos, fire) => clock.startTimerUnsafe(nanos, fire)
      : undefined
    this.monotonicMicrosUnsafe = microsOf(clock)
    this.skew = skew
  }

  currentTimeMillisUnsafe(): number {
    return Math.floor(Number(this.currentTimeNanosUnsafe() / 1000n) / 1000)
  }

  currentTimeNanosUnsafe(): bigint {
    const ahead = this.skew.aheadNanos(Number(this.monotonicTimeNanosUnsafe()))
    return this.world.currentTimeNanosUnsafe() + BigInt(ahead)
  }

  monotonicTimeNanosUnsafe(): bigint {
    return this.world.monotonicTimeNanosUnsafe()
  }

  readonly currentTimeMillis = Effect.sync(() => this.currentTimeMillisUnsafe())
  readonly currentTimeNanos = Effect.sync(() => this.currentTimeNanosUnsafe())
  readonly monotonicTimeNanos = Effect.sync(() => this.monotonicTimeNanosUnsafe())

  sleep(duration: Duration.Duration): Effect.Effect<void> {
    return this.world.sleep(duration)
  }
}
