/** Checks the limits of the options. */
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import { checkedMillis } from "../durationOption.ts"
import { invalidOption } from "../QuicError.ts"

const MiB = 1024 * 1024

/** A wrong option is a defect of the program: a protocol cannot fail. */
const limit =
  (name: string, minimum: number, maximum: number, byDefault: number) =>
  (given: number = byDefault): Effect.Effect<number> =>
    Number.isSafeInteger(given) && given >= minimum && given <= maximum
      ? Effect.succeed(given)
      : Effect.orDie(invalidOption(name, `an integer from ${minimum} to ${maximum}`))

export const frameLimit = limit("maxFrameBytes", 1, 2 ** 32 - 1, 16 * MiB)
export const heldLimit = limit("maxHeldBytes", 65_536, Number.MAX_SAFE_INTEGER, 256 * MiB)
export const requestTimeout = (given: Duration.Input = "10 seconds"): Effect.Effect<number> =>
  Effect.orDie(checkedMillis("requestTimeout", given, 10, 86_400_000))
