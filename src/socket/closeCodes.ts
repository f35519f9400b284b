/** What becomes of close codes on a stream, and of a stream's end as a socket's. */
import * as Effect from "effect/Effect"
import {
  SocketCloseError,
  SocketError,
  SocketOpenError,
  SocketReadError,
  SocketWriteError
} from "effect/socket/Socket"
import type { QuicError } from "../QuicError.ts"
import type { QuicStream } from "../QuicStream.ts"

/**
 * Close codes that sockets give and see; those of WebSocket. RFC 6455 §7.4
 *
 * **Details**
 *
 * A code is the application error code the stream is reset and stopped with, except 1000, which finishes the stream.
 *
 * @category constants
 * @since 0.1.0
 */
export const socketCloseCodes = {
  /** The other side has sent everything. */
  normal: 1000,
  /** The server stops, or the connection was closed with code 0. */
  goingAway: 1001,
  /** The stream has only one direction. */
  protocolError: 1002,
  /** This side has let go of the reader, or the other side of the stream. */
  abnormal: 1006,
  /** The program at the other side has failed. */
  internalError: 1011
} as const

export const closeError = (code: number, closeReason?: string): SocketError =>
  new SocketError({ reason: new SocketCloseError({ code, closeReason }) })

export const openFailed = (cause: QuicError): SocketError =>
  new SocketError({
    reason: new SocketOpenError({
      kind: cause.reason._tag === "HandshakeTimeout" ? "Timeout" : "Unknown",
      cause
    })
  })

export const openTimedOut = new SocketError({
  reason: new SocketOpenError({ kind: "Timeout", cause: new Error("no connection within openTimeout") })
})

export const writeFailed = (cause: QuicError): SocketError =>
  new SocketError({ reason: new SocketWriteError({ cause }) })

const isCloseCode = (code: number): boolean => code >= 1000 && code <= 4999

/** A code that no socket gives is an error, as is a connection that was lost. */
export const readFailed = (cause: QuicError): SocketError => {
  const { reason } = cause
  switch (reason._tag) {
    case "StreamReset":
      if (isCloseCode(reason.code)) return closeError(reason.code)
      if (reason.code === 0) return closeError(socketCloseCodes.abnormal)
      break
    case "ApplicationClosed":
      if (isCloseCode(reason.code)) return closeError(reason.code, reason.problem)
      if (reason.code === 0) return closeError(socketCloseCodes.goingAway, reason.problem)
      break
    case "StreamClosed":
      return closeError(socketCloseCodes.abnormal)
  }
  return new SocketError({ reason: new SocketReadError({ cause }) })
}

/** Ends both directions. What is written already is still delivered, before the code, if the peer supports that. */
export const closeStream = (stream: QuicStream, code: number): Effect.Effect<void> => {
  const end =
    code === socketCloseCodes.normal
      ? stream.finish
      : Effect.catch(stream.reset(code, { deliver: Number.POSITIVE_INFINITY }), () => stream.reset(code))
  return Effect.ignore(Effect.andThen(end, stream.stop(code)))
}
