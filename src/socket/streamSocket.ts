/** Effect's `Socket` over a bidirectional stream: the stream is opened by the reader, and ends with it. */
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Latch from "effect/Latch"
import * as Scope from "effect/Scope"
import * as Socket from "effect/socket/Socket"
import type { QuicStream } from "../QuicStream.ts"
import { closeError, closeStream, readFailed, socketCloseCodes, writeFailed } from "./closeCodes.ts"

/** What the reader reads and the writers write. */
class OpenSocket {
  readonly stream: QuicStream
  /** Why this side has closed it. */
  private closed: Socket.SocketError | undefined = undefined

  constructor(stream: QuicStream) {
    this.stream = stream
  }

  /** Wakes a pull that waits. */
  close({ code, reason }: Pick<Socket.CloseEvent, "code" | "reason">): Effect.Effect<void> {
    return Effect.suspend(() => {
      if (this.closed !== undefined) return Effect.void
      this.closed = closeError(code, reason)
      return closeStream(this.stream, code)
    })
  }

  /** The reader's scope is over. Whoever still pulls sees that as an end that was not in order. */
  release(exit: Exit.Exit<unknown, unknown>): Effect.Effect<void> {
    return Effect.suspend(() => {
      if (this.closed !== undefined) return Effect.void
      this.closed = closeError(socketCloseCodes.abnormal)
      return closeStream(this.stream, endCode(exit))
    })
  }

  readonly pull: Socket.Reader["pull"] = Effect.suspend(() =>
    this.closed === undefined
      ? Effect.matchEffect(this.stream.read(), {
          onFailure: (error) => Effect.fail(this.closed ?? readFailed(error)),
          onSuccess: (bytes) => {
            if (bytes === undefined) return Effect.fail(closeError(socketCloseCodes.normal))
            return bytes.length === 0 ? this.pull : Effect.succeed([bytes] as const)
          }
        })
      : Effect.fail(this.closed)
  )

  write(bytes: Uint8Array): Effect.Effect<void, Socket.SocketError> {
    return Effect.mapError(this.stream.write(bytes), writeFailed)
  }

  /** No other writer comes between. */
  writeAll(chunks: ReadonlyArray<Uint8Array>): Effect.Effect<void, Socket.SocketError> {
    return Effect.mapError(this.stream.writeAll(chunks), writeFailed)
  }
}

/** The end of what is read, and an interrupt, are how sockets usually end; a failure of the program is not. */
export const endCode = (exit: Exit.Exit<unknown, unknown>): number => {
  if (Exit.isSuccess(exit) || Cause.hasInterruptsOnly(exit.cause)) return socketCloseCodes.normal
  return Socket.isSocketError(Cause.squash(exit.cause))
    ? socketCloseCodes.normal
    : socketCloseCodes.internalError
}

/** Opens the stream of a socket. It ends in order with its scope, whatever becomes of its user. */
export type OpenStream = Effect.Effect<QuicStream, Socket.SocketError, Scope.Scope>

export const streamSocket = (open: OpenStream): Socket.Socket => {
  let current: OpenSocket | undefined
  const connected = Latch.makeUnsafe(false)

  const reader = Effect.gen(function* () {
    const own = yield* Scope.make()
    let socket: OpenSocket | undefined
    yield* Effect.addFinalizer((exit) =>
      Effect.suspend(() => {
        if (current !== undefined && current === socket) {
          connected.closeUnsafe()
          current = undefined
        }
        // a stream given up before its preamble is no socket
        if (socket === undefined) return Scope.close(own, exit)
        return Effect.andThen(socket.release(exit), Scope.close(own, Exit.void))
      })
    )
    const stream = yield* Scope.provide(open, own)
    current = socket = new OpenSocket(stream)
    connected.openUnsafe()
    return { pull: socket.pull, upgrade: Socket.SocketUpgradeError.unsupported }
  })

  /** Waits for a reader: a writer belongs to no connection. */
  const use = (
    work: (socket: OpenSocket) => Effect.Effect<void, Socket.SocketError>
  ): Effect.Effect<void, Socket.SocketError> =>
    Effect.suspend(() => (current === undefined ? connected.whenOpen(use(work)) : work(current)))

  const writer: Socket.Writer = {
    write: (chunk) =>
      use((socket) => (Socket.isCloseEvent(chunk) ? socket.close(chunk) : socket.write(bytesOf(chunk)))),
    writeAll: (chunks) => use((socket) => socket.writeAll(chunks.map(bytesOf)))
  }
  const finish = Effect.suspend(() => current?.stream.finish ?? Effect.void)
  return Socket.make({ reader, writer: Effect.acquireRelease(Effect.succeed(writer), () => finish) })
}

/** A stream that the peer has opened can be read once. */
export const acceptedSocket = (stream: QuicStream): Socket.Socket => {
  let isTaken = false
  return streamSocket(
    Effect.suspend(() => {
      if (isTaken) return Effect.fail(closeError(socketCloseCodes.abnormal))
      isTaken = true
      return Effect.succeed(stream)
    })
  )
}

const encoder = new TextEncoder()

const bytesOf = (chunk: Uint8Array | string): Uint8Array =>
  typeof chunk === "string" ? encoder.encode(chunk) : chunk
