/** A call over the public API: a small message on a stream of its own, and its answer. */
import * as Effect from "effect/Effect"
import type { QuicConnection, QuicStream } from "../../src/index.ts"
import { CALL_BYTES } from "./system.ts"

const message = new Uint8Array(CALL_BYTES).fill(1)

/** `fnUntraced`, not a `gen` in a function: V8 makes a hidden class for each new generator function. */
export const call = Effect.fnUntraced(function* (connection: QuicConnection) {
  const stream = yield* connection.openBidi
  yield* stream.write(message)
  yield* stream.finish
  while ((yield* stream.read()) !== undefined);
}, Effect.scoped)

export const answerCall = Effect.fnUntraced(function* (stream: QuicStream) {
  while ((yield* stream.read()) !== undefined);
  yield* stream.write(message)
  yield* stream.finish
})
