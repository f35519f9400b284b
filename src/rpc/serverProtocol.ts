/** The server's side: each stream is one call, and a client of its own to Effect's `RpcServer`. */
import * as Context from "effect/Context"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Option from "effect/Option"
import * as Queue from "effect/Queue"
import { constEof, type FromClientEncoded, type FromServerEncoded } from "effect/rpc/RpcMessage"
import { type Parser, RpcSerialization } from "effect/rpc/RpcSerialization"
import * as RpcServer from "effect/rpc/RpcServer"
import type { ConnectionFacts } from "../ConnectionInfo.ts"
import type { PathInfo } from "../ConnectionPaths.ts"
import type { QuicConnection } from "../QuicConnection.ts"
import type { QuicEndpointShape } from "../QuicEndpoint.ts"
import type { QuicError } from "../QuicError.ts"
import type { QuicStream } from "../QuicStream.ts"
import type { SocketAddress } from "../wire/SocketAddress.ts"
import { abandon } from "./clientProtocol.ts"
import { BadFrame, frameOf, readFrame, rpcErrorCodes } from "./frames.ts"
import { frameLimit } from "./frameLimit.ts"

/**
 * Who makes a call, as the transport knows it: nothing in it is claimed by the caller's headers.
 *
 * @category models
 * @since 0.1.0
 */
export interface PeerInfo {
  /** Certificate or raw key the caller has proved to own; undefined if the server asked for none. */
  readonly certificate: ConnectionFacts["peer"]
  /** Address of the caller when the call arrived. */
  readonly address: SocketAddress
  /** Paths of the connection when the call arrived. */
  readonly paths: ReadonlyArray<PathInfo>
}

/**
 * Who makes the call that a handler serves; undefined outside calls over QUIC.
 *
 * @category services
 * @since 0.1.0
 */
export const QuicPeer = Context.Reference<PeerInfo | undefined>("effect-quic/QuicPeer", {
  defaultValue: () => undefined
})

/**
 * What is served.
 *
 * @category options
 * @since 0.1.0
 */
export interface ServerProtocolOptions {
  /** The endpoint whose clients call. The layer does not close it. */
  readonly endpoint: QuicEndpointShape
  /** Largest frame sent and accepted. 1 to 2^32−1, default 16 MiB. A larger one resets its call. */
  readonly maxFrameBytes?: number
}

interface Call {
  readonly stream: QuicStream
  readonly parser: Parser
  readonly ended: Deferred.Deferred<void, BadFrame>
}

type WriteRequest = (clientId: number, message: FromClientEncoded) => Effect.Effect<void>

export const makeServerProtocol = Effect.fnUntraced(function* (options: ServerProtocolOptions) {
  const serialization = yield* RpcSerialization
  const maxBytes = yield* frameLimit(options.maxFrameBytes)
  const disconnects = yield* Queue.make<number>()
  const calls = new Map<number, Call>()
  let nextId = 0
  let writeRequest!: WriteRequest
  const protocol = yield* RpcServer.Protocol.make((write) => {
    writeRequest = write
    return Effect.succeed({
      disconnects,
      send: (id, response) => respond(calls.get(id), response, maxBytes),
      end: (id) => Effect.suspend(() => finishCall(calls.get(id))),
      clientIds: Effect.sync(() => new Set(calls.keys())),
      initialMessage: Effect.succeed(Option.none()),
      supportsAck: false,
      supportsTransferables: false,
      supportsSpanPropagation: true,
      supportsNotifications: true,
      codecFor: serialization.codecFor
    })
  })

  const serveCall = (stream: QuicStream, connection: QuicConnection) =>
    Effect.suspend(() => {
      const id = nextId++
      const call: Call = { stream, parser: serialization.makeUnsafe(), ended: Deferred.makeUnsafe() }
      calls.set(id, call)
      return Effect.onExit(runCall(call, id, writeRequest, connection, maxBytes), (exit) => {
        calls.delete(id)
        if (Exit.isSuccess(exit)) return Effect.void
        // interrupts the handler
        return Effect.andThen(Queue.offer(disconnects, id), abandon(stream, exit.cause))
      })
    })
  yield* Effect.forkScoped(
    Effect.ignore(
      options.endpoint.serveStreams((stream, connection) =>
        stream.isUnidirectional ? stream.stop(rpcErrorCodes.badFrame) : serveCall(stream, connection)
      )
    )
  )
  return protocol
})

/** Ends with the call; fails when the caller goes away first. */
const runCall = Effect.fnUntraced(function* (
  call: Call,
  id: number,
  write: WriteRequest,
  connection: QuicConnection,
  maxBytes: number
): Effect.fn.Return<void, QuicError | BadFrame> {
  const { stream } = call
  const frame = yield* readFrame(stream, maxBytes)
  if (frame === undefined) return
  const request = yield* decodeRequest(call.parser, frame)
  const caller: PeerInfo = {
    certificate: connection.facts.peer,
    address: connection.remoteAddress,
    paths: connection.paths
  }
  // with `Eof`, the server calls `end` once the handler is done
  const start = Effect.andThen(write(id, request), write(id, constEof))
  yield* Effect.provideService(start, QuicPeer, caller)
  yield* Effect.raceAllFirst([Deferred.await(call.ended), untilReset(stream), stream.finished])
})

const decodeRequest = Effect.fnUntraced(function* (parser: Parser, frame: Uint8Array) {
  const messages = yield* Effect.try({
    try: () => parser.decode(frame) as ReadonlyArray<FromClientEncoded>,
    catch: (cause) => new BadFrame(rpcErrorCodes.badFrame, "a frame does not decode", cause)
  })
  const [request] = messages
  if (messages.length === 1 && request?._tag === "Request") return request
  return yield* Effect.fail(new BadFrame(rpcErrorCodes.badFrame, "a call begins with one request"))
})

/** A caller that has finished its side still waits for the reply. */
const untilReset = (stream: QuicStream): Effect.Effect<never, QuicError | BadFrame> =>
  Effect.flatMap(stream.read(1), (more) =>
    more === undefined
      ? Effect.never
      : Effect.fail(new BadFrame(rpcErrorCodes.badFrame, "a call has one request"))
  )

/** Waits while flow control allows no more. A caller that has gone is noticed by `runCall`. */
const respond = (
  call: Call | undefined,
  response: FromServerEncoded,
  maxBytes: number
): Effect.Effect<void> => {
  if (call === undefined) return Effect.void
  return Effect.try({
    try: () => call.parser.encode(response),
    catch: (cause) => new BadFrame(rpcErrorCodes.badFrame, "a reply does not encode", cause)
  }).pipe(
    Effect.flatMap((encoded) => (encoded === undefined ? Effect.void : writeFrame(call, encoded, maxBytes))),
    Effect.catch((error) =>
      error instanceof BadFrame ? Effect.asVoid(Deferred.fail(call.ended, error)) : Effect.void
    )
  )
}

const writeFrame = (call: Call, encoded: Uint8Array | string, maxBytes: number) =>
  Effect.flatMap(frameOf(encoded, maxBytes), (frame) => call.stream.write(frame))

const finishCall = (call: Call | undefined): Effect.Effect<void> =>
  call === undefined ? Effect.void : Effect.asVoid(Deferred.succeed(call.ended, undefined))
