/** When a peer connects again: by the time that passes, whatever the wall clock is set to meanwhile. */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import { expect } from "vitest"
import { ClockSkew, HostClock } from "../../layers/sim/HostClock.ts"
import { ReconnectPolicy } from "../../src/actor/ReconnectPolicy.ts"
import { EndpointClosed, quicError } from "../../src/QuicError.ts"
import { itSim } from "../sim/itSim.ts"

const day = 86_400_000
const failed = { error: quicError(new EndpointClosed()), restarted: false, lastedMillis: -1 }

/** The delays of `schedule` after attempts that take 3 seconds each, while the wall clock is set by `jumps`. */
const delays = Effect.fnUntraced(function* (
  schedule: Schedule.Schedule<unknown>,
  jumps: ReadonlyArray<number>
) {
  const skew = new ClockSkew()
  const clock = new HostClock(yield* Clock.Clock, skew)
  const policy = new ReconnectPolicy({ restart: "eager", schedule, stableMillis: 10_000 })
  const all = Effect.gen(function* () {
    yield* policy.reset
    const found: Array<number | undefined> = []
    for (const jump of jumps) {
      yield* Effect.sleep(3_000)
      skew.jump(jump)
      const delay = yield* policy.delayAfter(failed)
      found.push(delay)
      yield* Effect.sleep(delay ?? 0)
    }
    return found
  })
  return yield* Effect.provideService(all, Clock.Clock, clock)
})

itSim("a clock that is set neither hastens nor delays the next attempt, nor ends the schedule", () =>
  Effect.gen(function* () {
    const jumps = [0, 7_000, -3_000, day, -day]
    const still = jumps.map(() => 0)
    const schedules = [
      Schedule.fixed("10 seconds"),
      Schedule.windowed("10 seconds"),
      Schedule.upTo(Schedule.spaced("2 seconds"), { duration: "20 seconds" })
    ]
    for (const schedule of schedules) {
      const expected = yield* delays(schedule, still)
      expect(expected.every((delay) => delay !== undefined && delay >= 0 && delay <= 10_000)).toBe(true)
      expect(yield* delays(schedule, jumps)).toEqual(expected)
    }
  })
)

itSim("a schedule ends when its time has passed", () =>
  Effect.gen(function* () {
    const schedule = Schedule.upTo(Schedule.spaced("2 seconds"), { duration: "12 seconds" })
    expect(yield* delays(schedule, [0, 0, 0, 0, 0])).toEqual([2_000, 2_000, 2_000, undefined, undefined])
  })
)

itSim("a schedule by the calendar begins at the time of day", () =>
  Effect.gen(function* () {
    const noon: Schedule.Schedule<unknown, unknown, unknown> = Schedule.cron("0 0 12 * * *", "UTC")
    const [delay] = yield* delays(noon as Schedule.Schedule<unknown>, [0])
    const now = yield* Clock.currentTimeMillis
    // it has slept until then
    expect(delay).toBeGreaterThan(0)
    expect(now % day).toBe(day / 2)
  })
)
