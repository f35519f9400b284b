/** Decides when a peer connects again after a connection or an attempt has ended. */
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Pull from "effect/Pull"
import * as Schedule from "effect/Schedule"
import { monotonicMicros } from "../capability/TimerClock.ts"
import type { QuicError } from "../QuicError.ts"

/**
 * When a peer reconnects: always, when a connection is requested, or never.
 *
 * @category models
 * @since 0.1.0
 */
export type RestartPolicy = "eager" | "onDemand" | "giveUp"

export interface ReconnectSettings {
  readonly restart: RestartPolicy
  /** The delays between attempts, and their number. Its input is the error. */
  readonly schedule: Schedule.Schedule<unknown, QuicError>
  /** A connection that lasted this long was a success: the schedule restarts. */
  readonly stableMillis: number
}

/** How a connection or an attempt ended. */
export interface Ending {
  readonly error: QuicError
  /** The application requested another. */
  readonly restarted: boolean
  /** Since the handshake completed; below 0 if it never did. */
  readonly lastedMillis: number
}

type Delays = (error: QuicError) => Effect.Effect<number | undefined>

export class ReconnectPolicy {
  /** The number of the next attempt, from 1. */
  attempt = 1
  private readonly settings: ReconnectSettings
  private delays: Delays | undefined = undefined

  constructor(settings: ReconnectSettings) {
    this.settings = settings
  }

  /** Restarts with the first attempt. Must be run before anything else. */
  get reset(): Effect.Effect<void> {
    return Effect.map(delaysOf(this.settings.schedule), (delays) => {
      this.delays = delays
      this.attempt = 1
    })
  }

  /** Milliseconds to wait before the next attempt; undefined for no further attempt. */
  readonly delayAfter = Effect.fnUntraced(function* (this: ReconnectPolicy, ending: Ending) {
    const { error, restarted, lastedMillis } = ending
    const { restart, stableMillis } = this.settings
    const wasStable = lastedMillis >= stableMillis
    if (restarted || wasStable) yield* this.reset
    else this.attempt++
    if (restarted) return 0
    const isWanted = restart === "eager" || (restart === "onDemand" && lastedMillis < 0)
    if (!isWanted) return undefined
    return wasStable ? 0 : yield* this.delays!(error)
  })
}

/**
 * A schedule run step by step; undefined at its end. It begins at the wall's time, which one such as `Schedule.cron` goes
 * by, and passes at the monotonic clock's pace: a clock that is set neither delays a peer nor ends its schedule.
 */
const delaysOf = Effect.fnUntraced(function* (schedule: Schedule.Schedule<unknown, QuicError>) {
  const step = yield* Schedule.toStep(schedule)
  const micros = yield* monotonicMicros
  const sinceMillis = (yield* Clock.currentTimeMillis) - micros() / 1000
  const delays: Delays = (error) =>
    Effect.suspend(() => step(Math.round(sinceMillis + micros() / 1000), error)).pipe(
      Effect.map(([, delay]) => Duration.toMillis(delay)),
      Pull.catchDone(() => Effect.succeed(undefined))
    )
  return delays
})
