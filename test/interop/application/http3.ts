/** The subset of HTTP/3 (RFC 9114) needed for a POST and its response: control streams, no push, no dynamic table. */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type { QuicConnection } from "../../../src/QuicConnection.ts"
import type { QuicError } from "../../../src/QuicError.ts"
import type { QuicStream } from "../../../src/QuicStream.ts"
import { serverName } from "../material.ts"
import { InteropFailure } from "../Peer.ts"
import { Receipt } from "../Receipt.ts"
import { type Exchange, type Beside, readAll, writeAll } from "./Exchange.ts"
import {
  concat,
  frame,
  frameHeader,
  FrameReader,
  FrameType,
  NO_ERROR,
  okHeaders,
  postHeaders,
  saysOk,
  StreamType,
  varint
} from "./http3Frames.ts"

/** Opens our control stream with empty SETTINGS, which forbid a dynamic table; discards the peer's such streams. */
const begin = Effect.fnUntraced(function* (connection: QuicConnection) {
  const control = yield* connection.openUni
  yield* control.write(concat(varint(StreamType.control), frame(FrameType.settings, new Uint8Array())))
  const drain: Effect.Effect<void, QuicError, Scope.Scope> = Effect.flatMap(connection.acceptUni, (stream) =>
    Effect.forkScoped(readAll(stream, () => {}))
  )
  yield* Effect.forkScoped(Effect.ignore(Effect.forever(drain)))
})

const readMessage = Effect.fnUntraced(function* (
  stream: QuicStream,
  receipt: Receipt,
  isGood: (headers: Uint8Array) => boolean,
  beside: Beside
) {
  let headers: Uint8Array | undefined
  const frames = new FrameReader(
    (bytes) => receipt.add(bytes),
    (type, payload) => {
      if (type === FrameType.headers) headers ??= payload.slice()
    }
  )
  yield* readAll(stream, (bytes) => frames.push(bytes), beside)
  if (headers === undefined || !isGood(headers))
    return yield* new InteropFailure({
      reason: `unexpected HTTP/3 headers: ${Buffer.from(headers ?? []).toString("hex") || "none"}`
    })
  if (!frames.isBetweenFrames) return yield* new InteropFailure({ reason: "the stream ended within a frame" })
})

const writeMessage = Effect.fnUntraced(function* (
  stream: QuicStream,
  headers: Uint8Array,
  body: Uint8Array,
  beside: Beside
) {
  yield* stream.write(concat(headers, frameHeader(FrameType.data, body.length)))
  yield* writeAll(stream, body, beside)
})

const asClient: Exchange["asClient"] = Effect.fnUntraced(function* (stream, task, beside) {
  const receipt = new Receipt()
  const headers = postHeaders(serverName, `/${task.expect.name}.bin`, task.send.bytes.length)
  const request = Effect.andThen(writeMessage(stream, headers, task.send.bytes, beside), stream.finish)
  yield* Effect.all([request, readMessage(stream, receipt, saysOk, beside)], { concurrency: "unbounded" })
  return receipt
})

const asServer: Exchange["asServer"] = Effect.fnUntraced(function* (stream, task, beside) {
  const receipt = new Receipt()
  // any path gets the same answer: paths arrive Huffman-coded, and there is only one file
  const answer = writeMessage(stream, okHeaders(task.send.bytes.length), task.send.bytes, beside)
  yield* Effect.all([readMessage(stream, receipt, () => true, beside), answer], { concurrency: "unbounded" })
  yield* stream.finish
  return receipt
})

export const http3: Exchange = { alpn: "h3", doneCode: NO_ERROR, begin, asClient, asServer }
