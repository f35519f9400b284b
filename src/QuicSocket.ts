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
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type { Scope } from "effect/Scope"
import { Socket } from "effect/socket/Socket"
import type { CertificateVerifier } from "./capability/CertificateVerifier.ts"
import type { CryptoSuite } from "./capability/CryptoSuite.ts"
import type { Entropy } from "./capability/Entropy.ts"
import type { UdpPort } from "./capability/UdpPort.ts"
import type { Carrier } from "./Carrier.ts"
import { positiveMillis } from "./durationOption.ts"
import type { ConnectOptions } from "./EndpointOptions.ts"
import { QuicEndpoint, type QuicEndpointShape } from "./QuicEndpoint.ts"
import { invalidOption, type QuicError } from "./QuicError.ts"
import type { QuicStream } from "./QuicStream.ts"
import { openFailed, openTimedOut } from "./socket/closeCodes.ts"
import { checkPreamble } from "./socket/preamble.ts"
import { acceptedSocket, streamSocket } from "./socket/streamSocket.ts"

export { socketCloseCodes } from "./socket/closeCodes.ts"
export { socketPreamble } from "./socket/preamble.ts"

/**
 * How the stream of a socket is opened.
 *
 * @category options
 * @since 0.1.0
 */
export interface SocketOptions {
  /**
   * How long acquiring a reader may take, before it fails with `SocketOpenError`. Above 0. Default: as long
   * as connecting may.
   */
  readonly openTimeout?: Duration.Input
  /**
   * What the stream begins with, the same at both sides: it tells sockets from other streams of the connection, and tells
   * the other side at once that there is one. Up to 64 bytes, default `socketPreamble`. With none, any stream is a socket.
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
  const duration = positiveMillis(openTimeout)
  if (duration === undefined) return yield* invalidOption("openTimeout", "a duration above 0")
  return streamSocket(Effect.timeoutOrElse(opened, { duration, orElse: () => Effect.fail(openTimedOut) }))
})

/**
 * A socket over a connection, or over whichever connection a `Peer` has: each reader is a stream of its own, beside whatever
 * else the connection carries. It is left open.
 *
 * **Errors**: `InvalidOption`.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = ({
  connection,
  ...options
}: SocketOptions & { readonly connection: Carrier }): Effect.Effect<Socket, QuicError> =>
  socketOver(connection.openStream(), options)

/**
 * A socket over a bidirectional stream that the peer has opened. It has one reader.
 *
 * **Example** (Sockets beside the application's own streams)
 *
 * ```ts
 * import { Effect, Stream } from "effect"
 * import { Socket } from "effect/socket"
 * import { type Carrier, QuicSocket } from "effect-quic"
 *
 * const serve = (connection: Carrier) =>
 *   connection.claimStreams(QuicSocket.socketPreamble, (stream) =>
 *     Stream.runDrain(Socket.toStream(QuicSocket.fromStream(stream)))
 *   )
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const fromStream = (stream: QuicStream): Socket => acceptedSocket(stream)

/**
 * Provides the socket of `make`.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = (
  options: SocketOptions & { readonly connection: Carrier }
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
    Effect.flatMap(endpoint.connect(connectOptions), (connection) => connection.openStream()),
    { ...(openTimeout !== undefined && { openTimeout }), ...(preamble !== undefined && { preamble }) }
  )

/**
 * Provides a socket that connects from an endpoint of its own, each time its reader is acquired. Fails with the errors of
 * `QuicEndpoint.make`.
 *
 * **Example** (Effect's RPC over sockets, from TCP to QUIC)
 *
 * ```ts
 * import { Layer } from "effect"
 * import { QuicSocket } from "effect-quic"
 * import { layer } from "effect-quic/layers/node"
 *
 * // instead of NodeSocket.layerNet({ host: "rpc.example", port: 4433 })
 * const socket = QuicSocket.layerConnect({ host: "rpc.example", port: 4433, alpn: ["rpc"] }).pipe(Layer.provide(layer))
 * ```
 *
 * @category layers
 * @since 0.1.0
 */
export const layerConnect = (
  options: SocketOptions & ConnectOptions
): Layer.Layer<Socket, QuicError, UdpPort | CryptoSuite | Entropy | CertificateVerifier> =>
  Layer.effect(
    Socket,
    Effect.flatMap(QuicEndpoint.make(), (endpoint) => makeConnect({ ...options, endpoint }))
  )
