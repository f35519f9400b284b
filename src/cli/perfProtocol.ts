/**
 * The QUIC performance protocol, `perf` (draft-banks-quic-performance): a client's stream starts with the number of bytes
 * to return, as eight bytes, followed by upload data. The server sends that many bytes and finishes.
 */
import * as Effect from "effect/Effect"
import type { QuicConnection } from "../QuicConnection.ts"
import type { QuicError } from "../QuicError.ts"
import type { QuicStream } from "../QuicStream.ts"

export const perfAlpn = "perf"

/** Error code for a truncated request. */
const INCOMPLETE_REQUEST = 1

/** The same buffer is sent repeatedly, so that generating data does not affect the result. */
const piece = new Uint8Array(65_536)

const sendBytes = Effect.fnUntraced(function* (
  stream: QuicStream,
  bytes: number,
  onSent: (count: number) => void
): Effect.fn.Return<void, QuicError> {
  for (let left = bytes; left > 0; left -= piece.length) {
    const next = left < piece.length ? piece.subarray(0, left) : piece
    yield* stream.write(next)
    onSent(next.length)
  }
  yield* stream.finish
})

const BUFFER_BYTES = 262_144

const drain = Effect.fnUntraced(function* (
  stream: QuicStream,
  onReceived: (count: number) => void
): Effect.fn.Return<number, QuicError> {
  const buffer = new Uint8Array(BUFFER_BYTES)
  let total = 0
  for (;;) {
    const count = yield* stream.readInto(buffer)
    if (count === undefined) return total
    total += count
    onReceived(count)
  }
})

const ignored = (): void => {}

/** The server side of one stream. */
export const answerPerf = Effect.fnUntraced(function* (
  stream: QuicStream
): Effect.fn.Return<void, QuicError> {
  const header = new Uint8Array(8)
  let filled = 0
  while (filled < 8) {
    const bytes = yield* stream.read(8 - filled)
    if (bytes === undefined) return yield* stream.reset(INCOMPLETE_REQUEST)
    header.set(bytes, filled)
    filled += bytes.length
  }
  const wanted = Number(new DataView(header.buffer).getBigUint64(0))
  yield* drain(stream, ignored)
  yield* sendBytes(stream, wanted, ignored)
})

/** Opens a stream, sends `upload` bytes and receives `download` bytes; returns how many arrived. */
export const callPerf = Effect.fnUntraced(function* (
  connection: QuicConnection,
  upload: number,
  download: number,
  progress: { readonly onSent: (count: number) => void; readonly onReceived: (count: number) => void } = {
    onSent: ignored,
    onReceived: ignored
  }
) {
  const stream = yield* connection.openBidi
  const header = new Uint8Array(8)
  new DataView(header.buffer).setBigUint64(0, BigInt(download))
  yield* stream.write(header)
  yield* sendBytes(stream, upload, progress.onSent)
  return yield* drain(stream, progress.onReceived)
}, Effect.scoped)
