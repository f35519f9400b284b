/**
 * What `QuicEndpoint.drain` takes and returns.
 *
 * @since 0.1.0
 */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import { checkRecord } from "./arguments.ts"
import { checkedMillis } from "./durationOption.ts"
import { type QuicError, withErrorCode } from "./QuicError.ts"

export type { DrainResult } from "./capability/EndpointStatistics.ts"

/**
 * How connections are closed that do not end by themselves.
 *
 * @category options
 * @since 0.1.0
 */
export interface DrainOptions {
  /** Application error code, 0 to 2^53−1, default 0. RFC 9000 §20.2 */
  readonly code?: number
  /** For people. Default `"the endpoint is shutting down"`. */
  readonly reason?: string
}

const DEFAULT_DEADLINE = Duration.seconds(10)
const MAX_MILLIS = 86_400_000

/** Checks the arguments of `drain`, and begins with the milliseconds left. */
export const beginDrain = <A, E>(
  begin: (millis: number, options: Required<DrainOptions>) => Effect.Effect<A, E>,
  deadline: Duration.Input = DEFAULT_DEADLINE,
  options: DrainOptions = {}
): Effect.Effect<A, E | QuicError> =>
  Effect.flatMap(checkRecord(options, "options"), () => {
    const { code = 0, reason = "the endpoint is shutting down" } = options
    return Effect.flatMap(checkedMillis("deadline", deadline, 0, MAX_MILLIS), (millis) =>
      withErrorCode<A, E | QuicError>(code, () => begin(millis, { code, reason }), reason)
    )
  })
