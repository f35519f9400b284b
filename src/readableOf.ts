import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import type { QuicError } from "./QuicError.ts"

/** What a read returns, again and again, to the end of the stream, for which it returns undefined. */
export const readableOf = (
  read: Effect.Effect<Uint8Array | undefined, QuicError>
): Stream.Stream<Uint8Array, QuicError> =>
  Stream.fromPull(
    Effect.succeed(
      Effect.flatMap(read, (bytes) => (bytes === undefined ? Cause.done() : Effect.succeed([bytes] as const)))
    )
  )
