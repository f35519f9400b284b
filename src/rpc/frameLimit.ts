/** Checks `maxFrameBytes`. */
import * as Effect from "effect/Effect"
import { invalidOption } from "../QuicError.ts"

const DEFAULT_BYTES = 16 * 1024 * 1024
const MAX_BYTES = 2 ** 32 - 1

/** A wrong option is a defect of the program: a protocol cannot fail. */
export const frameLimit = (given: number = DEFAULT_BYTES): Effect.Effect<number> =>
  Number.isSafeInteger(given) && given >= 1 && given <= MAX_BYTES
    ? Effect.succeed(given)
    : Effect.orDie(invalidOption("maxFrameBytes", "an integer from 1 to 2^32-1"))
