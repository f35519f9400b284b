/** What the stream of a socket begins with. */
import * as Effect from "effect/Effect"
import { MAX_PREAMBLE_BYTES } from "../actor/PreambleClaims.ts"
import { invalidOption, type QuicError } from "../QuicError.ts"

/**
 * What the stream of a socket begins with by default, "sock": see `Carrier`.
 *
 * @category constants
 * @since 0.1.0
 */
export const socketPreamble: Uint8Array = Uint8Array.of(0x73, 0x6f, 0x63, 0x6b)

export const checkPreamble = (given: unknown = socketPreamble): Effect.Effect<Uint8Array, QuicError> =>
  given instanceof Uint8Array && given.length <= MAX_PREAMBLE_BYTES
    ? Effect.succeed(given.slice())
    : invalidOption("preamble", `a Uint8Array of at most ${MAX_PREAMBLE_BYTES} bytes`)
