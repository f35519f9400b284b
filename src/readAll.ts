/** Reads a stream to its end, in a buffer that grows with what arrives. */
import * as Effect from "effect/Effect"
import { invalidOption, quicError, type QuicError, ReadLimit } from "./QuicError.ts"

interface ReadableStream {
  readonly id: number
  read(max: number): Effect.Effect<Uint8Array | undefined, QuicError>
}

/** The most that is read by default. */
export const READ_ALL_BYTES = 16 * 1024 * 1024

const FIRST_BYTES = 4_096
const badLimit = invalidOption("limit", "an integer from 0 to 2^32−1")

export const readAll = (stream: ReadableStream, limit: number): Effect.Effect<Uint8Array, QuicError> =>
  Number.isSafeInteger(limit) && limit >= 0 && limit < 2 ** 32
    ? Effect.suspend(() => collect(stream, limit))
    : badLimit

const collect = Effect.fnUntraced(function* (stream: ReadableStream, limit: number) {
  let buffer: Uint8Array = new Uint8Array(Math.min(FIRST_BYTES, limit))
  let length = 0
  // one byte more than is allowed shows that there are too many
  for (let chunk = yield* stream.read(limit + 1); chunk !== undefined; ) {
    const wanted = length + chunk.length
    if (wanted > limit) return yield* quicError(new ReadLimit({ streamId: stream.id, wanted, limit }))
    if (wanted > buffer.length) {
      const grown = new Uint8Array(Math.min(limit, Math.max(wanted, 2 * buffer.length)))
      grown.set(buffer.subarray(0, length))
      buffer = grown
    }
    buffer.set(chunk, length)
    length = wanted
    chunk = yield* stream.read(limit - length + 1)
  }
  return buffer.subarray(0, length)
})
