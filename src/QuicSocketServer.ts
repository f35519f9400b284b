/**
 * Effect's `SocketServer` over QUIC: the streams of clients that begin as sockets do, see `QuicSocket`.
 *
 * **Details**
 *
 * A handler finds in `QuicRpc.QuicPeer` who has opened its socket. One that fails, other than by the end of its socket, is
 * logged and ends its own socket with code 1011; one that is interrupted with 1001.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
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
import type { CertificateVerifier } from "./capability/CertificateVerifier.ts"
import type { CryptoSuite } from "./capability/CryptoSuite.ts"
import type { Entropy } from "./capability/Entropy.ts"
import type { UdpPort } from "./capability/UdpPort.ts"
import type { EndpointOptions } from "./EndpointOptions.ts"
import type { QuicConnection } from "./QuicConnection.ts"
import { QuicEndpoint, type QuicEndpointShape } from "./QuicEndpoint.ts"
import type { QuicError } from "./QuicError.ts"
import { peerInfo, QuicPeer } from "./PeerInfo.ts"
import type { QuicStream } from "./QuicStream.ts"
import { closeStream, socketCloseCodes } from "./socket/closeCodes.ts"
import { checkPreamble } from "./socket/preamble.ts"
import { acceptedSocket, endCode } from "./socket/streamSocket.ts"

type Handler<A, E, R> = (socket: Socket) => Effect.Effect<A, E, R>

/**
 * What is served.
 *
 * @category options
 * @since 0.1.0
 */
export interface SocketServerOptions {
  /** The endpoint whose clients open sockets. The server does not close it. */
  readonly endpoint: QuicEndpointShape
  /** What the stream of a socket begins with, as in `QuicSocket`, default too. Other streams are not taken: see `Carrier`. */
  readonly preamble?: Uint8Array
}

/**
 * Serves the sockets of an endpoint, whose connections it accepts; those that come before `run` wait. For connections that
 * carry other things too see `QuicSocket.fromStream`.
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
      endpoint.serve((connection) => {
        const serve = (stream: QuicStream) => serveSocket(stream, connection, handler)
        return preamble.length === 0
          ? connection.serveStreams(serve)
          : connection.servePreamble(preamble, serve)
      }),
      (cause) => new SocketServerError({ reason: new SocketServerUnknownError({ cause }) })
    )
  return { address, run }
})

/**
 * Provides the server of `make`.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = (options: SocketServerOptions): Layer.Layer<SocketServer, SocketServerError> =>
  Layer.effect(SocketServer, make(options))

/**
 * Serves sockets on an endpoint of its own, which it provides too. Fails as `QuicEndpoint.make` does.
 *
 * **Example** (Effect's RPC over sockets, from TCP to QUIC)
 *
 * ```ts
 * import { type Identity, QuicSocketServer } from "effect-quic"
 *
 * // instead of NodeSocketServer.layer({ port: 4433 })
 * const server = (identity: Identity.Identity) =>
 *   QuicSocketServer.layerListen({ port: 4433, server: { alpn: ["rpc"], identity } })
 * ```
 *
 * @category layers
 * @since 0.1.0
 */
export const layerListen = ({
  preamble,
  ...where
}: EndpointOptions & Omit<SocketServerOptions, "endpoint">): Layer.Layer<
  SocketServer | QuicEndpoint,
  QuicError | SocketServerError,
  UdpPort | CryptoSuite | Entropy | CertificateVerifier
> =>
  Layer.effectContext(
    Effect.gen(function* () {
      const endpoint = yield* QuicEndpoint.make(where)
      const server = yield* make({ endpoint, ...(preamble !== undefined && { preamble }) })
      return Context.add(Context.make(QuicEndpoint, endpoint), SocketServer, server)
    })
  )

const serveSocket = <R, E, A>(
  stream: QuicStream,
  connection: QuicConnection,
  handler: Handler<A, E, R>
): Effect.Effect<void, never, R> => {
  if (stream.isUnidirectional) return Effect.ignore(stream.stop(socketCloseCodes.protocolError))
  return Effect.suspend(() => handler(acceptedSocket(stream))).pipe(
    Effect.onExit((exit) => closeStream(stream, serverEndCode(exit))),
    Effect.provideService(QuicPeer, peerInfo(connection.actor)),
    Effect.ignoreCause({ log: "Unhandled", message: "Unhandled error in SocketServer" })
  )
}

/** Sockets that are interrupted are those of a server that stops. */
const serverEndCode = (exit: Exit.Exit<unknown, unknown>): number =>
  Exit.hasInterrupts(exit) ? socketCloseCodes.goingAway : endCode(exit)

const cannotOpen = (cause: unknown): SocketServerError =>
  new SocketServerError({ reason: new SocketServerOpenError({ cause }) })
