/**
 * Effect's `SocketServer` over QUIC: every bidirectional stream of every client is a socket, see `QuicSocket`.
 *
 * **Details**
 *
 * A handler finds in `QuicRpc.QuicPeer` who has opened its socket. One that fails, other than by the end of its socket, is
 * logged and ends its own socket with code 1011; one that is interrupted with 1001.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import { inetAddressFromIpString } from "effect/net/NetAddress"
import {
  SocketServer,
  SocketServerError,
  SocketServerOpenError,
  SocketServerUnknownError
} from "effect/socket/SocketServer"
import type { Socket } from "effect/socket/Socket"
import type { QuicConnection } from "./QuicConnection.ts"
import type { QuicEndpointShape } from "./QuicEndpoint.ts"
import { peerInfo, QuicPeer } from "./PeerInfo.ts"
import type { QuicStream } from "./QuicStream.ts"
import { closeStream, socketCloseCodes } from "./socket/closeCodes.ts"
import { checkPreamble, startsWith } from "./socket/preamble.ts"
import { acceptedSocket, endCode } from "./socket/streamSocket.ts"

/**
 * What is served.
 *
 * @category options
 * @since 0.1.0
 */
export interface SocketServerOptions {
  /** The endpoint whose clients open sockets. The server does not close it. */
  readonly endpoint: QuicEndpointShape
  /** What the stream of a socket begins with, as in `QuicSocket`, default too. Other streams are reset with code 1002. */
  readonly preamble?: Uint8Array
}

/**
 * Serves the sockets of an endpoint; it takes all streams of its clients. Those that come before `run` wait.
 *
 * **Errors**: `SocketServerOpenError` for a bad option; `run` fails with `SocketServerUnknownError` once the endpoint is
 * closed. Its `cause` is the `QuicError`.
 *
 * **Interruption**: interrupting `run` interrupts the handlers and closes their connections; sockets without a handler can
 * still be served.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = Effect.fnUntraced(function* (
  options: SocketServerOptions
): Effect.fn.Return<SocketServer["Service"], SocketServerError> {
  const { endpoint } = options
  const preamble = yield* Effect.mapError(checkPreamble(options.preamble), cannotOpen)
  const { host, port } = endpoint.localAddress
  const address = yield* Effect.mapError(Effect.fromResult(inetAddressFromIpString(host, port)), cannotOpen)
  const run: SocketServer["Service"]["run"] = (handler) =>
    Effect.mapError(
      endpoint.serveStreams((stream, connection) => serve(stream, connection, preamble, handler)),
      (cause) => new SocketServerError({ reason: new SocketServerUnknownError({ cause }) })
    )
  return { address, run }
})

/**
 * Provides the server of `make`.
 *
 * **Example** (Effect's RPC over sockets, from TCP to QUIC)
 *
 * ```ts
 * import { Effect, Layer } from "effect"
 * import { QuicEndpoint, QuicSocketServer } from "effect-quic"
 *
 * // instead of NodeSocketServer.layer({ port: 4433 })
 * const server = Layer.unwrap(
 *   Effect.map(QuicEndpoint, (endpoint) => QuicSocketServer.layer({ endpoint }))
 * )
 * ```
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = (options: SocketServerOptions): Layer.Layer<SocketServer, SocketServerError> =>
  Layer.effect(SocketServer, make(options))

const serve = <R, E, A>(
  stream: QuicStream,
  connection: QuicConnection,
  preamble: Uint8Array,
  handler: (socket: Socket) => Effect.Effect<A, E, R>
): Effect.Effect<void, never, R> => {
  if (stream.isUnidirectional) return Effect.ignore(stream.stop(socketCloseCodes.protocolError))
  const handled = Effect.suspend(() => handler(acceptedSocket(stream))).pipe(
    Effect.onExit((exit) => closeStream(stream, serverEndCode(exit))),
    Effect.provideService(QuicPeer, peerInfo(connection.actor)),
    Effect.ignoreCause({ log: "Unhandled", message: "Unhandled error in SocketServer" })
  )
  return Effect.matchEffect(startsWith(stream, preamble), {
    onFailure: () => Effect.void,
    onSuccess: (isSocket) => (isSocket ? handled : closeStream(stream, socketCloseCodes.protocolError))
  })
}

/** Sockets that are interrupted are those of a server that stops. */
const serverEndCode = (exit: Exit.Exit<unknown, unknown>): number =>
  Exit.hasInterrupts(exit) ? socketCloseCodes.goingAway : endCode(exit)

const cannotOpen = (cause: unknown): SocketServerError =>
  new SocketServerError({ reason: new SocketServerOpenError({ cause }) })
