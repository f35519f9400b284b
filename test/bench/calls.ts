/** A call over the public API: a small message on a stream of its own, and its answer. */
import * as Effect from "effect/Effect"
import type { QuicConnection, QuicStream } from "../../src/index.ts"
import { CALL_BYTES } from "./system.ts"

const message = new Uint8Array(CALL_BYTES).fill(1)

export const call = (connection: QuicConnection) =>
  Effect.gen(function* () {
    const stream = yield* connection.openBidi
    yield* stream.write(message)
    yield* stream.finish
    while ((yield* stream.read()) !== undefined);
  }).pipe(Effect.scoped)

export const answerCall = (stream: QuicStream) =>
  Effect.gen(function* () {
    while ((yield* stream.read()) !== undefined);
    yield* stream.write(message)
    yield* stream.finish
  })
