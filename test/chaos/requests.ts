/** A stream begins with a request; the bytes that follow depend only on its tag and their position. */
import * as Effect from "effect/Effect"
import type { QuicError, QuicStream } from "../../src/index.ts"
import { pattern } from "../api/pair.ts"
import type { StreamTask, Task } from "./Scenario.ts"

export type Request =
  | Pick<StreamTask, "kind" | "tag" | "bytes" | "chunk" | "pauseMillis" | "at" | "deliver" | "code">
  | { readonly kind: "invite"; readonly tasks: ReadonlyArray<Task> }

const longestRequest = 65_536

export const encodeRequest = (request: Request): Uint8Array => {
  const json = new TextEncoder().encode(JSON.stringify(request))
  const bytes = new Uint8Array(4 + json.length)
  new DataView(bytes.buffer).setUint32(0, json.length)
  bytes.set(json, 4)
  return bytes
}

export const readRequest = Effect.fnUntraced(function* (stream: QuicStream) {
  const header = yield* readExactly(stream, 4)
  const length = new DataView(header.buffer, header.byteOffset).getUint32(0)
  if (length > longestRequest) return yield* Effect.die(new Error(`a request of ${length} bytes`))
  return JSON.parse(new TextDecoder().decode(yield* readExactly(stream, length))) as Request
})

const readExactly = Effect.fnUntraced(function* (
  stream: QuicStream,
  length: number
): Effect.fn.Return<Uint8Array, QuicError> {
  const bytes = new Uint8Array(length)
  let at = 0
  while (at < length) {
    const chunk = yield* stream.read(length - at)
    if (chunk === undefined) return yield* Effect.die(new Error(`stream ${stream.id} ended in its request`))
    bytes.set(chunk, at)
    at += chunk.length
  }
  return bytes
})

export interface Pace {
  readonly chunk: number
  readonly pauseMillis: number
}

/** Writes the first `length` bytes of the stream's pattern. */
export const writePattern = Effect.fnUntraced(function* (
  stream: QuicStream,
  tag: number,
  length: number,
  { chunk, pauseMillis }: Pace
) {
  const bytes = pattern(length, tag)
  // bounds the total time
  const step = Math.max(chunk, length >> 6)
  for (let at = 0; at < length; at += step) {
    yield* stream.write(bytes.subarray(at, Math.min(length, at + step)))
    if (pauseMillis > 0) yield* Effect.sleep(pauseMillis)
  }
})

/**
 * Reads bytes of the stream's pattern to the end, or until there are `enough`; returns how many. Dies on the first
 * mismatch.
 */
export const readPattern = Effect.fnUntraced(function* (
  stream: QuicStream,
  tag: number,
  length: number,
  enough: number,
  { chunk }: Pace,
  onBytes: (bytes: Uint8Array) => Effect.Effect<void, QuicError> = () => Effect.void
) {
  const expected = pattern(length, tag)
  let at = 0
  while (at < enough) {
    const bytes = yield* stream.read(Math.max(chunk, length >> 6))
    if (bytes === undefined) break
    if (at + bytes.length > length || Buffer.compare(bytes, expected.subarray(at, at + bytes.length)) !== 0)
      return yield* Effect.die(
        new Error(`task ${tag}: bytes ${at} to ${at + bytes.length} differ from what was sent`)
      )
    at += bytes.length
    yield* onBytes(bytes)
  }
  return at
})
