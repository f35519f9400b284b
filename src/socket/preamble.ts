/** What a stream begins with that is a socket. */
import * as Effect from "effect/Effect"
import { invalidOption, type QuicError } from "../QuicError.ts"
import type { QuicStream } from "../QuicStream.ts"

/** "sock". Without it the other side would not see a socket before it is written to. */
const DEFAULT = Uint8Array.of(0x73, 0x6f, 0x63, 0x6b)
const MAX_BYTES = 64

export const checkPreamble = (given: unknown = DEFAULT): Effect.Effect<Uint8Array, QuicError> =>
  given instanceof Uint8Array && given.length <= MAX_BYTES
    ? Effect.succeed(given.slice())
    : invalidOption("preamble", `a Uint8Array of at most ${MAX_BYTES} bytes`)

/** Whether the stream begins with it; reads no byte more. */
export const startsWith = Effect.fnUntraced(function* (stream: QuicStream, preamble: Uint8Array) {
  let at = 0
  while (at < preamble.length) {
    const bytes = yield* stream.read(preamble.length - at)
    if (bytes === undefined) return false
    for (const byte of bytes) if (byte !== preamble[at++]) return false
  }
  return true
})
