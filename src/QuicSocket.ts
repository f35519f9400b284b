/**
 * Effect's `Socket` over QUIC: one bidirectional stream is one socket.
 *
 * Whatever is written for Effect's sockets runs over it unchanged; many sockets share one connection, and none waits for
 * another's lost packets.
 *
 * **Details**
 *
 * - Acquiring `reader` opens the stream; the end of its scope finishes what was written, and stops the rest
 * - Releasing `writer` finishes the sending side, while the other can still be read (half-close)
 * - `CloseEvent` ends both sides with its code (see `socketCloseCodes`): what was written before it is still delivered
 * - Writing waits while flow control allows no more; a chunk, and a batch of `writeAll`, is written whole or not at all
 *
 * **Errors**
 *
 * `pull` fails with `SocketCloseError` and the code of the other side, if it ended the stream in order, reset it with a
 * close code, or closed the connection with one; with `SocketReadError` if the connection is lost. The `QuicError` is the
 * `cause` of `SocketOpenError`, `SocketReadError` and `SocketWriteError`.
 *
 * **Interruption**
 *
 * A `pull` that is interrupted consumes nothing, a write that waits writes nothing.
 *
 * @since 0.1.0
 */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type { Scope } from "effect/Scope"
import { Socket } from "effect/socket/Socket"
import type { ConnectOptions } from "./EndpointOptions.ts"
import { Peer } from "./Peer.ts"
import type { QuicConnection } from "./QuicConnection.ts"
import type { QuicEndpointShape } from "./QuicEndpoint.ts"
import { invalidOption, type QuicError } from "./QuicError.ts"
import type { QuicStream } from "./QuicStream.ts"
import { openFailed, openTimedOut } from "./socket/closeCodes.ts"
import { checkPreamble } from "./socket/preamble.ts"
import { streamSocket } from "./socket/streamSocket.ts"

export { socketCloseCodes } from "./socket/closeCodes.ts"

/**
 * How the stream of a socket is opened.
 *
 * @category options
 * @since 0.1.0
 */
export interface SocketOptions {
  /** How long acquiring a reader may take, before it fails with `SocketOpenError`. Default: as long as connecting may. */
  readonly openTimeout?: Duration.Input
  /**
   * What the stream begins with, the same at both sides: it tells sockets from other streams of the connection, and tells
   * the other side at once that there is one. Up to 64 bytes, default 4. With none, any stream is a socket.
   */
  readonly preamble?: Uint8Array
}

const socketOver = Effect.fnUntraced(function* (
  open: Effect.Effect<QuicStream, QuicError, Scope>,
  { openTimeout, preamble }: SocketOptions
) {
  const first = yield* checkPreamble(preamble)
  const opened = Effect.mapError(
    Effect.tap(open, (stream) => stream.write(first)),
    openFailed
  )
  if (openTimeout === undefined) return streamSocket(opened)
  const duration = Duration.fromInput(openTimeout)
  if (duration._tag === "None") return yield* invalidOption("openTimeout", "a duration")
  return streamSocket(
    Effect.timeoutOrElse(opened, { duration: duration.value, orElse: () => Effect.fail(openTimedOut) })
  )
})

/**
 * A socket over a connection, or over whichever connection a `Peer` has: each reader is a stream of its own. The
 * connection is left open.
 *
 * **Errors**: `InvalidOption`.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = ({
  connection,
  ...options
}: SocketOptions & { readonly connection: QuicConnection | Peer }): Effect.Effect<Socket, QuicError> =>
  socketOver(connection instanceof Peer ? connection.openBidi() : connection.openBidi, options)

/**
 * Provides the socket of `make`.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = (
  options: SocketOptions & { readonly connection: QuicConnection | Peer }
): Layer.Layer<Socket, QuicError> => Layer.effect(Socket, make(options))

/**
 * A socket that connects when its reader is acquired, and closes the connection with it, as one over TCP does.
 *
 * **Errors**: `InvalidOption`, if it is about the socket. What `connect` fails with is the `cause` of a `SocketOpenError`.
 *
 * @category constructors
 * @since 0.1.0
 */
export const makeConnect = ({
  endpoint,
  openTimeout,
  preamble,
  ...connectOptions
}: SocketOptions & ConnectOptions & { readonly endpoint: QuicEndpointShape }): Effect.Effect<
  Socket,
  QuicError
> =>
  socketOver(
    Effect.flatMap(endpoint.connect(connectOptions), (connection) => connection.openBidi),
    { ...(openTimeout !== undefined && { openTimeout }), ...(preamble !== undefined && { preamble }) }
  )

/**
 * Provides the socket of `makeConnect`.
 *
 * **Example** (Effect's RPC over sockets, from TCP to QUIC)
 *
 * ```ts
 * import { Effect, Layer } from "effect"
 * import { QuicEndpoint, QuicSocket } from "effect-quic"
 *
 * // instead of NodeSocket.layerNet({ host: "rpc.example", port: 4433 })
 * const socket = Layer.unwrap(
 *   Effect.map(QuicEndpoint, (endpoint) =>
 *     QuicSocket.layerConnect({ endpoint, host: "rpc.example", port: 4433, alpn: ["rpc"] })
 *   )
 * )
 * ```
 *
 * @category layers
 * @since 0.1.0
 */
export const layerConnect = (
  options: SocketOptions & ConnectOptions & { readonly endpoint: QuicEndpointShape }
): Layer.Layer<Socket, QuicError> => Layer.effect(Socket, makeConnect(options))
