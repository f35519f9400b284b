/**
 * The options of `endpoint.peer`: whom to stay connected with, and when to connect again.
 *
 * @since 0.1.0
 */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import * as Schema from "effect/Schema"
import type { RestartPolicy } from "./actor/ReconnectPolicy.ts"
import { checkRecord } from "./arguments.ts"
import type { DialAddressInput } from "./DialAddress.ts"
import type { DialOptions } from "./DialOptions.ts"
import { durationOr, wholeMillis } from "./durationOption.ts"
import type { ConnectOptions } from "./EndpointOptions.ts"
import { invalidOption, type QuicError } from "./QuicError.ts"
import { check } from "./QuicOptions.ts"

const int = (minimum: number, maximum: number, byDefault: number) =>
  Schema.Int.check(Schema.isBetween({ minimum, maximum })).pipe(
    Schema.withDecodingDefaultKey(Effect.succeed(byDefault))
  )

const PeerSchema = Schema.Struct({
  name: Schema.optionalKey(Schema.String.check(Schema.isBetweenLength(1, 253))),
  restart: Schema.Literals(["eager", "onDemand", "giveUp"]).pipe(
    Schema.withDecodingDefaultKey(Effect.succeed("eager" as const))
  ),
  stableAfter: durationOr(0, 86_400_000, "10 seconds"),
  maxWaiting: int(0, 1_000_000, 1024)
})

/**
 * When to connect again.
 *
 * @category options
 * @since 0.1.0
 */
export interface PeerPolicy {
  /**
   * Name in logs and in the fiber tree, unique in the endpoint. 1 to 253 characters, default `serverName:port`, or the first
   * 16 digits of the `PeerId` of one that is dialed by key.
   */
  readonly name?: string
  /**
   * When a connection is made. Default `"eager"`.
   *
   * `"eager"`: at once, and again whenever there is none. `"onDemand"`: when an operation waits for one. `"giveUp"`:
   * once.
   */
  readonly restart?: RestartPolicy
  /**
   * Delay before each further attempt, and when to stop. Default `defaultSchedule`.
   *
   * Its input is the error of the last attempt, so it can stop at some errors (`Schedule.while`). When it is done, an
   * eager peer closes and a peer on demand is idle until it is needed again.
   */
  readonly schedule?: Schedule.Schedule<unknown, QuicError>
  /** A connection that lasted this long resets the schedule. 0 to 1 day, default 10 seconds. */
  readonly stableAfter?: Duration.Input
  /** Operations that may wait for a connection; the next fails with `PeerBusy`. 0 to 1,000,000, default 1,024. */
  readonly maxWaiting?: number
}

/**
 * Where to connect, and when to connect again.
 *
 * @category options
 * @since 0.1.0
 */
export interface PeerOptions extends PeerPolicy, Omit<ConnectOptions, "earlyData"> {}

/**
 * Whom to dial by key, and when to connect again. `PeerLookup` is asked anew for each connection.
 *
 * @category options
 * @since 0.1.0
 */
export interface DialPeerOptions extends PeerPolicy, DialOptions {
  /** Who it is and where it may be, or the ticket that says so. */
  readonly address: DialAddressInput | string
}

/**
 * The default delays of a peer: 100 ms, doubling up to 30 s, each varied by up to a fifth, without end.
 *
 * @category constants
 * @since 0.1.0
 */
export const defaultSchedule: Schedule.Schedule<unknown, QuicError> = Schedule.exponential("100 millis").pipe(
  Schedule.modifyDelay(({ duration }) => Effect.succeed(Duration.min(duration, Duration.seconds(30)))),
  Schedule.jittered
)

/** Checks the options of a peer apart from those that `connect` has too. */
export const peerSettings = Effect.fnUntraced(function* (options: PeerOptions | DialPeerOptions) {
  yield* checkRecord(options, "options")
  const { name, restart, schedule = defaultSchedule, stableAfter, maxWaiting, ...connectOptions } = options
  if (!Schedule.isSchedule(schedule)) return yield* invalidOption("schedule", "a Schedule")
  const policy = { name, restart, stableAfter, maxWaiting }
  const given = Object.fromEntries(Object.entries(policy).filter(([, value]) => value !== undefined))
  const { stableAfter: stable, ...settings } = yield* check(PeerSchema, given)
  return { ...settings, stableMillis: wholeMillis(stable), schedule, connectOptions }
})
