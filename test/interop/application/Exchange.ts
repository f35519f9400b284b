/** What an application protocol does with a task, on our side of a connection. */
import * as Effect from "effect/Effect"
import type { QuicConnection } from "../../../src/QuicConnection.ts"
import type { QuicError } from "../../../src/QuicError.ts"
import type { QuicStream } from "../../../src/QuicStream.ts"
import type * as Scope from "effect/Scope"
import type { InteropFailure, Received, Task } from "../Peer.ts"

type Exchanging = Effect.Effect<Received, QuicError | InteropFailure, Scope.Scope>

export interface Exchange {
  readonly alpn: string
  /** The application error code that means all went well. */
  readonly doneCode: number
  /** Sends `task.send` and receives until the peer ends. */
  readonly asClient: (connection: QuicConnection, task: Task) => Exchanging
  /** The same for the first stream of a client; ends its own side only after the client has ended its. */
  readonly asServer: (connection: QuicConnection, task: Task) => Exchanging
}

/** Waits until the client has all of it, or has closed the connection because it has. */
export const delivered = (stream: QuicStream): Effect.Effect<void> =>
  Effect.andThen(stream.finish, Effect.ignore(stream.finished))

/** As much as is handed to a stream at once, bytes. */
const chunkBytes = 256 * 1024

export const writeAll = (stream: QuicStream, bytes: Uint8Array): Effect.Effect<void, QuicError> =>
  Effect.gen(function* () {
    for (let at = 0; at < bytes.length; at += chunkBytes)
      yield* stream.write(bytes.subarray(at, at + chunkBytes))
  })

export const readAll = (
  stream: QuicStream,
  take: (bytes: Uint8Array) => void
): Effect.Effect<void, QuicError> =>
  Effect.gen(function* () {
    for (;;) {
      const bytes = yield* stream.read()
      if (bytes === undefined) return
      take(bytes)
    }
  })
