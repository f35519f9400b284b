/** The server's side: each stream is one call, and a client of its own to Effect's `RpcServer`. */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Option from "effect/Option"
import * as Queue from "effect/Queue"
import { constEof, type FromClientEncoded } from "effect/rpc/RpcMessage"
import * as RpcServer from "effect/rpc/RpcServer"
import type { ConnectionFacts } from "../ConnectionInfo.ts"
import type { PathInfo } from "../ConnectionPaths.ts"
import type { QuicConnection } from "../QuicConnection.ts"
import type { QuicEndpointShape } from "../QuicEndpoint.ts"
import type { QuicError } from "../QuicError.ts"
import type { QuicStream } from "../QuicStream.ts"
import type { SocketAddress } from "../wire/SocketAddress.ts"
import { abandon } from "./clientProtocol.ts"
import { type BadFrame, rpcErrorCodes } from "./frames.ts"
import { frameLimit } from "./frameLimit.ts"
import { ServerCall } from "./serverCall.ts"
import { serializationOf } from "./serialization.ts"

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

export const peerInfo = (connection: QuicConnection): PeerInfo => ({
  certificate: connection.facts.peer,
  address: connection.remoteAddress,
  paths: connection.paths
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

type WriteRequest = (clientId: number, message: FromClientEncoded) => Effect.Effect<void>

export const makeServerProtocol = Effect.fnUntraced(function* (options: ServerProtocolOptions) {
  const maxBytes = yield* frameLimit(options.maxFrameBytes)
  const serialization = yield* serializationOf(maxBytes)
  const disconnects = yield* Queue.make<number>()
  const calls = new Map<number, ServerCall>()
  let nextId = 0
  let writeRequest!: WriteRequest
  const protocol = yield* RpcServer.Protocol.make((write) => {
    writeRequest = write
    return Effect.succeed({
      disconnects,
      send: (id, response) => Effect.suspend(() => calls.get(id)?.respond(response) ?? Effect.void),
      end: (id) => Effect.suspend(() => calls.get(id)?.end ?? Effect.void),
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
      const call = new ServerCall(stream, serialization.makeUnsafe(), maxBytes)
      calls.set(id, call)
      const tell = (message: FromClientEncoded) => writeRequest(id, message)
      return Effect.onExit(runCall(call, tell, connection), (exit) => {
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

/** Ends with the call; fails if it is cut short. */
const runCall = Effect.fnUntraced(function* (
  call: ServerCall,
  tell: (message: FromClientEncoded) => Effect.Effect<void>,
  connection: QuicConnection
): Effect.fn.Return<void, QuicError | BadFrame> {
  const request = yield* call.readRequest
  if (request === undefined) return
  // with `Eof`, the server calls `end` once the handler is done
  const start = Effect.andThen(tell(request), tell(constEof))
  yield* Effect.provideService(start, QuicPeer, peerInfo(connection))
  const interrupt = tell({ _tag: "Interrupt", requestId: request.id })
  yield* call.untilDone(interrupt, Effect.flatMap(connection.closed, Effect.fail))
})
