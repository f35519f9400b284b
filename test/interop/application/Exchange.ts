/** How an application protocol carries out a task on our side of a connection. */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type { QuicConnection } from "../../../src/QuicConnection.ts"
import type { QuicError } from "../../../src/QuicError.ts"
import type { QuicStream } from "../../../src/QuicStream.ts"
import type { InteropFailure, Task } from "../Peer.ts"
import type { Receipt } from "../Receipt.ts"

export type Failure = QuicError | InteropFailure

/** What goes on beside an exchange. */
export interface Beside {
  /** Runs once, when a substantial part has been received. */
  readonly midway: Effect.Effect<void, QuicError>
  /** Called with the size of what has been read, or accepted by a stream. */
  readonly onBytes?: (bytes: number) => void
}

export interface Exchange {
  readonly alpn: string
  /** The application error code for success. */
  readonly doneCode: number
  /** Runs at the start of a connection, on either side. */
  readonly begin: (connection: QuicConnection) => Effect.Effect<void, QuicError, Scope.Scope>
  /** Sends `task.send` on a new stream and reads to the peer's FIN. */
  readonly asClient: (stream: QuicStream, task: Task, beside: Beside) => Effect.Effect<Receipt, Failure>
  /** The same for a stream opened by the client; finishes its own side only after the client has. */
  readonly asServer: (stream: QuicStream, task: Task, beside: Beside) => Effect.Effect<Receipt, Failure>
}

/** Size of each write. */
const chunkBytes = 256 * 1024
const midwayBytes = 500_000

export const writeAll = (
  stream: QuicStream,
  bytes: Uint8Array,
  { onBytes }: Beside
): Effect.Effect<void, QuicError> =>
  Effect.gen(function* () {
    for (let at = 0; at < bytes.length; at += chunkBytes) {
      const chunk = bytes.subarray(at, at + chunkBytes)
      yield* stream.write(chunk)
      onBytes?.(chunk.length)
    }
  })

export const readAll = (
  stream: QuicStream,
  take: (bytes: Uint8Array) => void,
  { midway, onBytes }: Beside = { midway: Effect.void }
): Effect.Effect<void, QuicError> =>
  Effect.gen(function* () {
    let received = 0
    for (;;) {
      const bytes = yield* stream.read()
      if (bytes === undefined) return
      take(bytes)
      onBytes?.(bytes.length)
      if (received < midwayBytes && received + bytes.length >= midwayBytes) yield* midway
      received += bytes.length
    }
  })
