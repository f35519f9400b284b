/** The caller's side: opens a stream, writes the request, and reads replies up to the exit. */
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Cause from "effect/Cause"
import { RpcClientDefect, RpcClientError } from "effect/rpc/RpcClientError"
import * as RpcClient from "effect/rpc/RpcClient"
import type { FromServerEncoded, RequestEncoded, ResponseExitEncoded } from "effect/rpc/RpcMessage"
import type { CodecFor, Parser } from "effect/rpc/RpcSerialization"
import type * as RpcGroup from "effect/rpc/RpcGroup"
import * as Schema from "effect/Schema"
import type * as Schedule from "effect/Schedule"
import type * as Scope from "effect/Scope"
import { SocketOpenError, SocketReadError } from "effect/socket/Socket"
import type { Carrier } from "../Carrier.ts"
import type { QuicError } from "../QuicError.ts"
import type { QuicStream } from "../QuicStream.ts"
import { BadFrame, callPreamble, frameOf, readFrame, rpcErrorCodes } from "./frames.ts"
import { frameLimit } from "./limits.ts"
import { replaySafety } from "./replaySafe.ts"
import { retryLost } from "./retryLost.ts"
import { serializationOf } from "./serialization.ts"

/**
 * Where calls go.
 *
 * @category options
 * @since 0.1.0
 */
export interface ClientOptions extends CallOptions {
  /** What calls are made over: a connection, in either direction, or a `Peer`. The layer does not close it. */
  readonly connection: Carrier
}

/**
 * How calls are made.
 *
 * @category options
 * @since 0.1.0
 */
export interface CallOptions {
  /** Largest frame sent and accepted. 1 to 2^32−1, default 16 MiB. A larger one fails its call. */
  readonly maxFrameBytes?: number
  /** Its RPCs marked `ReplaySafe` may be called in the first flight. Default: none is. */
  readonly group?: RpcGroup.Any
  /** Priority of what a call sends, as in `QuicStream.setPriority`, by the tag of its RPC. Default: 0 for all. */
  readonly priorityOf?: (tag: string) => number
  /**
   * Calls of RPCs marked `ReplaySafe` that are lost with their connection before anything of their reply has been
   * delivered, or that find a busy server, are made again by this schedule; its input is the error. Over a `Peer` each
   * waits for the next connection. Default: they fail, as all other calls do.
   */
  readonly retry?: Schedule.Schedule<unknown, RpcClientError>
}

export const makeClientProtocol = (connection: Carrier, options: CallOptions) =>
  clientProtocolOver((replaySafe) => connection.openStream({ replaySafe }), options)

type OpenStream = (replaySafe: boolean) => Effect.Effect<QuicStream, QuicError, Scope.Scope>

/** Makes each call over a stream that `openStream` opens. */
export const clientProtocolOver = (
  openStream: OpenStream,
  { group, maxFrameBytes, priorityOf, retry }: CallOptions
) =>
  RpcClient.Protocol.make(
    Effect.fnUntraced(function* (deliver) {
      const maxBytes = yield* frameLimit(maxFrameBytes)
      const serialization = yield* serializationOf(maxBytes)
      const exitOf = defectExit(serialization.codecFor)
      const isReplaySafe = replaySafety(group)
      const opened = ({ tag }: RequestEncoded) => {
        const stream = openStream(isReplaySafe(tag))
        return priorityOf === undefined
          ? stream
          : Effect.tap(stream, (each) => each.setPriority(priorityOf(tag)))
      }
      const call = (request: RequestEncoded, deliverOne: Deliver) =>
        Effect.flatMap(Effect.mapError(opened(request), openFailed), (stream) =>
          exchange(stream, serialization.makeUnsafe(), request, maxBytes, exitOf, deliverOne).pipe(
            Effect.onError((cause) => abandon(stream, cause)),
            Effect.mapError(callFailed)
          )
        ).pipe(Effect.scoped)
      const send = (clientId: number, request: RequestEncoded) => {
        if (retry === undefined || !isReplaySafe(request.tag))
          return call(request, (response) => deliver(clientId, response))
        let isUntouched = true
        const once = call(request, (response) => {
          isUntouched = false
          return deliver(clientId, response)
        })
        return retryLost(once, retry, () => isUntouched)
      }
      return {
        // interrupting a call interrupts its `send`, so there is nothing left to do for an `Interrupt`
        send: (clientId, request) => (request._tag === "Request" ? send(clientId, request) : Effect.void),
        supportsAck: false,
        supportsTransferables: false,
        codecFor: serialization.codecFor
      }
    })
  )

type Deliver = (response: FromServerEncoded) => Effect.Effect<void>
type ExitOf = (request: RequestEncoded, defect: unknown) => ResponseExitEncoded

/** The request ends its side, so that a call takes one STREAM frame each way. */
const exchange = Effect.fnUntraced(function* (
  stream: QuicStream,
  parser: Parser,
  request: RequestEncoded,
  maxBytes: number,
  exitOf: ExitOf,
  deliver: Deliver
): Effect.fn.Return<void, QuicError | BadFrame> {
  yield* stream.write(yield* frameOf(parser.encode(request)!, maxBytes, callPreamble))
  yield* stream.finish
  while (true) {
    const frame = yield* readFrame(stream, maxBytes)
    if (frame === undefined) return yield* Effect.fail(bad("the reply ended without an exit"))
    for (const response of yield* decode(parser, frame)) {
      if (response._tag === "Chunk" && isFor(request, response.requestId)) {
        yield* deliver({ ...response, requestId: request.id })
      } else if (response._tag === "Exit" && isFor(request, response.requestId)) {
        return yield* deliver({ ...response, requestId: request.id })
      } else if (response._tag === "Defect") {
        // the client would end all its calls with it
        const exit = yield* Effect.try({ try: () => exitOf(request, response.defect), catch: undecodable })
        return yield* deliver(exit)
      } else return yield* Effect.fail(bad("a response that belongs to no call of this stream"))
    }
  }
})

const decode = (parser: Parser, frame: Uint8Array) =>
  Effect.try({
    try: () => parser.decode(frame) as ReadonlyArray<FromServerEncoded>,
    catch: undecodable
  })

/** JSON-RPC may turn numbers into strings. */
const isFor = (request: RequestEncoded, id: string | number): boolean => String(id) === String(request.id)

const defectExit = (codecFor: CodecFor): ExitOf => {
  const decodeDefect = Schema.decodeUnknownSync(codecFor(Schema.Defect()))
  const encodeExit = Schema.encodeSync(codecFor(Schema.Exit(Schema.Void, Schema.Never, Schema.Defect())))
  return (request, defect) => ({
    _tag: "Exit",
    requestId: request.id,
    exit: encodeExit(Exit.die(decodeDefect(defect))) as ResponseExitEncoded["exit"]
  })
}

const bad = (message: string): BadFrame => new BadFrame(rpcErrorCodes.badFrame, message)
const undecodable = (cause: unknown): BadFrame =>
  new BadFrame(rpcErrorCodes.badFrame, "a frame does not decode", cause)

/** Resets and stops the stream with the code that says why. */
export const abandon = (stream: QuicStream, cause: Cause.Cause<unknown>): Effect.Effect<void> => {
  const error = Cause.squash(cause)
  const code = error instanceof BadFrame ? error.code : rpcErrorCodes.cancelled
  return Effect.ignore(Effect.andThen(stream.reset(code), stream.stop(code)))
}

const openFailed = (cause: QuicError): RpcClientError =>
  new RpcClientError({ reason: new SocketOpenError({ kind: "Unknown", cause }) })

const callFailed = (cause: QuicError | BadFrame): RpcClientError =>
  new RpcClientError({
    reason:
      cause instanceof BadFrame
        ? new RpcClientDefect({ message: cause.message, cause })
        : new SocketReadError({ cause })
  })
