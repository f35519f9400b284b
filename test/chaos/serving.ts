/** How either side serves the streams and datagrams of the other. */
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import type { QuicConnection, QuicError, QuicStream } from "../../src/index.ts"
import { pattern } from "../api/pair.ts"
import { isOver, type Ledger } from "./Ledger.ts"
import { type Request, readPattern, readRequest, writePattern } from "./requests.ts"
import { runTasks } from "./tasks.ts"

type StreamRequest = Exclude<Request, { readonly kind: "invite" }>

const describe = (cause: Cause.Cause<unknown>): string => Cause.pretty(cause).split("\n    at ")[0]

/** Serves one stream; records unexpected errors in the ledger. */
export const serveStream = (ledger: Ledger, connection: QuicConnection) => (stream: QuicStream) =>
  Effect.gen(function* () {
    const request = yield* Effect.catch(readRequest(stream), (error) => {
      if (!ledger.mayEndEarly(error))
        complain(ledger, error, `stream ${stream.id} failed before its request was read: ${error.message}`)
      return Effect.undefined
    })
    if (request === undefined) return
    if (request.kind === "invite") {
      const answer = Effect.andThen(
        runTasks(ledger, connection, request.tasks),
        Effect.suspend(() => stream.write(new Uint8Array(1)))
      )
      return yield* Effect.catch(answer, (error) =>
        Effect.sync(() => complain(ledger, error, `an invitation was cut off: ${error.message}`))
      )
    }
    yield* serveRequest(stream, request).pipe(
      Effect.tap(() => Effect.sync(() => ledger.finish("server", request.tag))),
      Effect.catch((error) =>
        Effect.sync(() => {
          if (!mayEnd(ledger, request, error))
            complain(ledger, error, `task ${request.tag} (${request.kind}) was cut off: ${error.message}`)
        })
      )
    )
  }).pipe(
    Effect.catchCauseIf(
      (cause) => !Cause.hasInterruptsOnly(cause),
      (cause) => Effect.sync(() => ledger.violate(`serving stream ${stream.id}: ${describe(cause)}`))
    )
  )

const complain = (ledger: Ledger, { reason }: QuicError, what: string): void =>
  isOver(reason) ? ledger.suspect(what) : ledger.violate(what)

const mayEnd = (ledger: Ledger, request: StreamRequest, { reason }: QuicError): boolean => {
  // a client that has reset its upload may close before the reset is delivered
  if (request.kind === "resetUpload" && isOver(reason)) return true
  if (request.kind === "stopDownload") {
    // a peer that has stopped reading may leave
    if (isOver(reason)) return true
    if (reason._tag === "StreamStopped" && reason.code === request.code) return true
  }
  if (!ledger.isCancellable(request.tag)) return false
  if (reason._tag === "StreamReset" || reason._tag === "StreamStopped") return reason.code === 0
  return isOver(reason)
}

const serveRequest = Effect.fnUntraced(function* (stream: QuicStream, request: StreamRequest) {
  const { kind, tag, bytes, at, code, deliver } = request
  const wrong = (problem: string) => Effect.die(new Error(`task ${tag} (${kind}): ${problem}`))
  switch (kind) {
    case "echo": {
      const read = yield* readPattern(stream, tag, bytes, Infinity, request, (chunk) => stream.write(chunk))
      if (read !== bytes) return yield* wrong(`ended after ${read} of ${bytes} bytes`)
      return yield* stream.finish
    }
    case "upload": {
      const read = yield* readPattern(stream, tag, bytes, Infinity, request)
      return read === bytes ? undefined : yield* wrong(`ended after ${read} of ${bytes} bytes`)
    }
    case "resetUpload": {
      let read = 0
      const count = (chunk: Uint8Array) => Effect.sync(() => void (read += chunk.length))
      const reading = readPattern(stream, tag, at, Infinity, request, count)
      const end = yield* Effect.flip(reading).pipe(Effect.catch(() => wrong("ended without a reset")))
      if (end.reason._tag !== "StreamReset") return yield* end
      if (end.reason.code !== code) return yield* end
      return read >= deliver ? undefined : yield* wrong(`${read} bytes before the reset, ${deliver} promised`)
    }
    case "stopUpload":
      yield* readPattern(stream, tag, bytes, at, request)
      return yield* Effect.orDie(stream.stop(code))
    case "download":
    case "stopDownload":
      yield* writePattern(stream, tag, bytes, request)
      return yield* stream.finish
    case "resetDownload":
      yield* writePattern(stream, tag, at, request)
      return yield* Effect.orDie(stream.reset(code, { deliver }))
  }
})

/** Receives datagrams until the connection ends. */
export const serveDatagrams = (ledger: Ledger, connection: QuicConnection): Effect.Effect<void> =>
  Effect.gen(function* () {
    for (;;) {
      const bytes = yield* connection.receiveDatagram
      const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
      const [tag, number] = bytes.length < 8 ? [-1, -1] : [view.getUint32(0), view.getUint32(4)]
      ledger.datagram(connection, tag, number)
      if (Buffer.compare(bytes.subarray(8), pattern(Math.max(0, bytes.length - 8), tag + number)) !== 0)
        ledger.violate(`datagram ${tag} ${number} differs from what was sent`)
    }
  }).pipe(Effect.ignore)
