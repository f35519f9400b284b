/** Effect's clock on a timeline: every sleep is an event. */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type { TimerClock } from "../../src/capability/TimerClock.ts"
import type { Timeline } from "./Timeline.ts"

const nanosPerMilli = 1_000_000

export class VirtualClock implements TimerClock {
  private readonly timeline: Timeline
  private readonly startMillis: number

  /** `startMillis` is the Unix time at the start of the timeline. */
  constructor(timeline: Timeline, startMillis: number) {
    this.timeline = timeline
    this.startMillis = startMillis
  }

  currentTimeMillisUnsafe(): number {
    return this.startMillis + Math.floor(this.timeline.nowNanos / nanosPerMilli)
  }

  currentTimeNanosUnsafe(): bigint {
    return BigInt(this.startMillis) * BigInt(nanosPerMilli) + BigInt(this.timeline.nowNanos)
  }

  monotonicTimeNanosUnsafe(): bigint {
    return BigInt(this.timeline.nowNanos)
  }

  readonly currentTimeMillis = Effect.sync(() => this.currentTimeMillisUnsafe())
  readonly currentTimeNanos = Effect.sync(() => this.currentTimeNanosUnsafe())
  readonly monotonicTimeNanos = Effect.sync(() => this.monotonicTimeNanosUnsafe())

  monotonicMicrosUnsafe(): number {
    return this.timeline.nowNanos / 1000
  }

  startTimerUnsafe(nanos: number, fire: () => void): () => void {
    const event = this.timeline.at(this.timeline.nowNanos + nanos, fire)
    return () => this.timeline.cancel(event)
  }

  sleep(duration: Duration.Duration): Effect.Effect<void> {
    const nanos = Duration.toMillis(duration) * nanosPerMilli
    if (nanos <= 0) return Effect.yieldNow
    if (!Number.isFinite(nanos)) return Effect.never
    return Effect.callback((resume) => {
      const event = this.timeline.at(this.timeline.nowNanos + nanos, () => resume(Effect.void))
      return Effect.sync(() => this.timeline.cancel(event))
    })
  }
}
