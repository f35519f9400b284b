/** The server's side: each stream is one call, and a client of its own to Effect's `RpcServer`. */
import * as Cause from "effect/Cause"
import * as Deferred from "effect/Deferred"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as FiberSet from "effect/FiberSet"
import * as Option from "effect/Option"
import * as Queue from "effect/Queue"
import { constEof, type FromClientEncoded } from "effect/rpc/RpcMessage"
import type * as RpcGroup from "effect/rpc/RpcGroup"
import * as RpcServer from "effect/rpc/RpcServer"
import { peerInfo, QuicPeer } from "../PeerInfo.ts"
import type { QuicConnection } from "../QuicConnection.ts"
import type { QuicEndpointShape } from "../QuicEndpoint.ts"
import type { QuicError } from "../QuicError.ts"
import type { QuicStream } from "../QuicStream.ts"
import { CallBudget } from "./CallBudget.ts"
import { abandon } from "./clientProtocol.ts"
import { type BadFrame, callPreamble, rpcErrorCodes } from "./frames.ts"
import { frameLimit, heldLimit, requestTimeout } from "./limits.ts"
import { Occupancy } from "./Occupancy.ts"
import { RequestDeadlines } from "./RequestDeadlines.ts"
import { replaySafety } from "./replaySafe.ts"
import { type CallLimits, ServerCall } from "./serverCall.ts"
import { serializationOf } from "./serialization.ts"

/**
 * What is served.
 *
 * @category options
 * @since 0.1.0
 */
export interface ServerProtocolOptions extends ServeOptions {
  /** The endpoint whose clients call. The layer does not close it. */
  readonly endpoint: QuicEndpointShape
}

/**
 * How calls are served.
 *
 * @category options
 * @since 0.1.0
 */
export interface ServeOptions {
  /** Largest frame sent and accepted. 1 to 2^32−1, default 16 MiB. A larger one resets its call. */
  readonly maxFrameBytes?: number
  /**
   * Time for a request to arrive, or for 16 KiB more of it; then its call is reset with `requestTimeout`. 10 millis
   * to 1 day, default 10 seconds.
   */
  readonly requestTimeout?: Duration.Input
  /**
   * Most that open calls of all clients together may hold: requests that are arriving, replies that their callers
   * have not acknowledged, and 1 KiB for each call. Beyond that, the largest call of the connection that holds most is reset with
   * `busy`. 65,536 to 2^53−1 bytes, default 256 MiB.
   */
  readonly maxHeldBytes?: number
  /**
   * Its RPCs marked `ReplaySafe` are served before the handshake is complete, when who calls and whether the call is a
   * repetition are known from a session ticket only. Default: none is.
   */
  readonly group?: RpcGroup.Any
  /** Priority of replies, as in `QuicStream.setPriority`, by the tag of their RPC. Default: 0 for all. */
  readonly priorityOf?: (tag: string) => number
}

type WriteRequest = (clientId: number, message: FromClientEncoded) => Effect.Effect<void>

/** A protocol, and what serves a stream that is a call. */
export const makeServerProtocol = Effect.fnUntraced(function* (options: ServeOptions) {
  const limits = yield* callLimits(options)
  const treatment = { isReplaySafe: replaySafety(options.group), priorityOf: options.priorityOf }
  const serialization = yield* serializationOf(limits.maxBytes)
  const disconnects = yield* Queue.make<number>()
  const calls = new Map<number, ServerCall>()
  let nextId = 0
  let isStopping = false
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

  const serveCall: ServeCall = (stream, connection) =>
    Effect.suspend(() => {
      if (stream.isUnidirectional) return stream.stop(rpcErrorCodes.badFrame)
      if (isStopping) return abandon(stream, Cause.interrupt())
      const id = nextId++
      const call = new ServerCall(connection, stream, serialization.makeUnsafe(), limits)
      calls.set(id, call)
      limits.budget.open(call)
      const tell = (message: FromClientEncoded) => writeRequest(id, message)
      return Effect.onExit(runCall(call, tell, connection, treatment), (exit) => {
        calls.delete(id)
        limits.budget.close(call)
        if (Exit.isSuccess(exit)) return Effect.void
        // interrupts the handler
        return Effect.andThen(Queue.offer(disconnects, id), abandon(stream, exit.cause))
      })
    })
  const inside = new Occupancy()
  const stop = Effect.suspend(() => {
    isStopping = true
    return Effect.asVoid(Effect.timeoutOption(inside.whenEmpty, STOP_MILLIS))
  })
  return {
    protocol,
    serveCall: (stream, connection) => inside.during(serveCall(stream, connection)),
    stop
  } satisfies CallService
})

/** Time for the last replies to arrive, when a server stops: as much as connections have by default. */
const STOP_MILLIS = 3_000

/** What serves the streams that are calls. */
interface CallService {
  readonly protocol: RpcServer.Protocol["Service"]
  readonly serveCall: ServeCall
  /** Refuses further calls, and waits until those that are served have been replied to. */
  readonly stop: Effect.Effect<void>
}

export type ServeCall = (
  stream: QuicStream,
  connection: QuicConnection
) => Effect.Effect<void, QuicError | BadFrame>

/**
 * Serves the calls of every client, until the scope ends: then they get the last replies before their connections close.
 * An endpoint that serves nobody is a defect of the program.
 */
export const serveEndpoint = Effect.fnUntraced(function* (
  endpoint: QuicEndpointShape,
  { serveCall, stop }: CallService
) {
  const stopped = Deferred.makeUnsafe<void>()
  const connections = new Occupancy()
  const serve = endpoint.serve((connection) =>
    connections.during(
      // a connection that is not interrupted closes in good order
      Effect.raceFirst(connection.servePreamble(callPreamble, serveCall), Deferred.await(stopped))
    )
  )
  const scope = yield* Effect.scope
  const fiber = yield* Effect.forkIn(serve, scope, { startImmediately: true })
  const exit = fiber.pollUnsafe()
  if (exit !== undefined) yield* Effect.orDie(exit)
  yield* Effect.addFinalizer(() =>
    stop.pipe(Effect.andThen(Deferred.succeed(stopped, undefined)), Effect.andThen(connections.whenEmpty))
  )
})

const callLimits = Effect.fnUntraced(function* (options: ServeOptions) {
  const maxBytes = yield* frameLimit(options.maxFrameBytes)
  const timeoutMillis = yield* requestTimeout(options.requestTimeout)
  const budget = new CallBudget(yield* heldLimit(options.maxHeldBytes))
  const run = yield* FiberSet.makeRuntime<never, void>()
  return { maxBytes, budget, deadlines: new RequestDeadlines(timeoutMillis, run) } satisfies CallLimits
})

/** What differs from RPC to RPC. */
interface Treatment {
  readonly isReplaySafe: (tag: string) => boolean
  readonly priorityOf: ((tag: string) => number) | undefined
}

/** Ends with the call; fails if it is cut short. */
const runCall = Effect.fnUntraced(function* (
  call: ServerCall,
  tell: (message: FromClientEncoded) => Effect.Effect<void>,
  connection: QuicConnection,
  { isReplaySafe, priorityOf }: Treatment
): Effect.fn.Return<void, QuicError | BadFrame> {
  const request = yield* call.readRequest
  if (request === undefined) return
  if (priorityOf !== undefined) yield* call.stream.setPriority(priorityOf(request.tag))
  if (!isReplaySafe(request.tag)) yield* connection.handshakeComplete
  yield* Effect.provideService(tell(request), QuicPeer, peerInfo(connection.actor))
  // With `Eof`, the server calls `end` once the handler is done. One that stops refuses both, but ends the call itself.
  yield* Effect.ignoreCause(tell(constEof))
  const interrupt = Effect.ignoreCause(tell({ _tag: "Interrupt", requestId: request.id }))
  yield* call.untilDone(interrupt, Effect.flatMap(connection.closed, Effect.fail))
  yield* call.untilDelivered
})
