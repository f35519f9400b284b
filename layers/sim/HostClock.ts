/**
 * The clock of one machine. Its wall time may be wrong, run fast or slow, and be set: `skew` says how. Its monotonic
 * time, and so every sleep, goes on as everywhere else, as on a real machine whose clock is corrected.
 */
import type { Clock } from "effect/Clock"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import { checkRange } from "./simConfig.ts"

const nanosPerMilli = 1_000_000
const longestMillis = 100 * 365 * 86_400_000

/** How far a host's wall time is off; shared by all clocks that programs of the host have. */
export class ClockSkew {
  private aheadMillis = 0
  private driftPpm = 0
  /** When the drift was last changed, in monotonic time. */
  private sinceNanos = 0

  /** How far ahead of true time the wall clock is; negative when it is behind. */
  aheadNanos(nowNanos: number): number {
    return Math.round(this.aheadMillis * nanosPerMilli + ((nowNanos - this.sinceNanos) * this.driftPpm) / 1e6)
  }

  /** Sets the wall clock forward, or back when negative. At most a hundred years. */
  jump(byMillis: number): void {
    checkRange("jump", byMillis, -longestMillis, longestMillis)
    this.aheadMillis += byMillis
  }

  /** From `nowNanos` on the wall clock gains so many millionths; negative, it loses them. */
  drift(ppm: number, nowNanos: number): void {
    checkRange("drift", ppm, -500_000, 500_000)
    this.aheadMillis = this.aheadNanos(nowNanos) / nanosPerMilli
    this.sinceNanos = nowNanos
    this.driftPpm = ppm
  }
}

export class HostClock implements Clock {
  private readonly world: Clock
  private readonly skew: ClockSkew

  /** `world` is the clock of the simulation; of another host's clock, that behind it. */
  constructor(world: Clock, skew: ClockSkew) {
    this.world = world instanceof HostClock ? world.world : world
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
