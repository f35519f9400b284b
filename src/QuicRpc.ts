/**
 * Effect RPC over QUIC: every call has a bidirectional stream of its own.
 *
 * A call that is lost, slow or wrong affects no other. Flow control is the backpressure, so that no acknowledgements are
 * exchanged, and the transport notices a lost peer, so that no pings are.
 *
 * Messages are encoded with SchemaBinary, unless another `RpcSerialization` is provided to both layers.
 *
 * **Errors**
 *
 * A call whose connection is lost fails with an `RpcClientError` whose reason has the `QuicError` as its `cause`.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as RpcClient from "effect/rpc/RpcClient"
import * as RpcServer from "effect/rpc/RpcServer"
import type * as Scope from "effect/Scope"
import type { CertificateVerifier } from "./capability/CertificateVerifier.ts"
import type { CryptoSuite } from "./capability/CryptoSuite.ts"
import type { Entropy } from "./capability/Entropy.ts"
import type { UdpPort } from "./capability/UdpPort.ts"
import type { EndpointOptions } from "./EndpointOptions.ts"
import type { Peer, PeerOptions } from "./Peer.ts"
import type { QuicConnection } from "./QuicConnection.ts"
import { QuicEndpoint } from "./QuicEndpoint.ts"
import type { QuicError } from "./QuicError.ts"
import { type CallOptions, type ClientOptions, makeClientProtocol } from "./rpc/clientProtocol.ts"
import { callPreamble } from "./rpc/frames.ts"
import {
  makeServerProtocol,
  serveEndpoint,
  type ServeOptions,
  type ServerProtocolOptions
} from "./rpc/serverProtocol.ts"

export type { CallOptions, ClientOptions } from "./rpc/clientProtocol.ts"
export { callPreamble, rpcErrorCodes } from "./rpc/frames.ts"
export { ReplaySafe } from "./rpc/replaySafe.ts"
export { type PeerInfo, QuicPeer } from "./PeerInfo.ts"
export type { ServeOptions, ServerProtocolOptions } from "./rpc/serverProtocol.ts"

/**
 * What an endpoint runs on.
 *
 * @category models
 * @since 0.1.0
 */
export type Platform = UdpPort | CryptoSuite | Entropy | CertificateVerifier

/**
 * Calls over a connection, or over whichever connection a `Peer` has: while it has none, calls wait for the next.
 *
 * **Interruption**: an interrupted call resets and stops its stream with `rpcErrorCodes.cancelled`, which interrupts the
 * handler.
 *
 * @category layers
 * @since 0.1.0
 */
export const layerClient = (options: ClientOptions): Layer.Layer<RpcClient.Protocol> =>
  Layer.effect(RpcClient.Protocol, makeClientProtocol(options.connection, options))

/**
 * Serves the calls of every client of an endpoint, whose connections it accepts: see `layerAttached` for connections that
 * carry other things too. The handlers find the caller in `QuicPeer`.
 *
 * @category layers
 * @since 0.1.0
 */
export const layerServer = (options: ServerProtocolOptions): Layer.Layer<RpcServer.Protocol> =>
  Layer.effect(
    RpcServer.Protocol,
    Effect.gen(function* () {
      const service = yield* makeServerProtocol(options)
      yield* serveEndpoint(options.endpoint, service)
      return service.protocol
    })
  )

/**
 * Makes connections carry calls to the `RpcServer` beside it, as provided by `layerAttached`.
 *
 * @category services
 * @since 0.1.0
 */
export class CallServer extends Context.Service<
  CallServer,
  {
    /**
     * Serves the calls that arrive over it, in either direction, until the scope ends; other streams are not touched.
     * Fails as `Carrier.claimStreams` does.
     */
    readonly attach: (over: QuicConnection | Peer) => Effect.Effect<void, QuicError, Scope.Scope>
  }
>()("effect-quic/QuicRpc/CallServer") {}

/**
 * Serves the calls of the connections that are attached, which they may carry beside other protocols, or back from the
 * server to its client.
 *
 * **Example** (Calls beside the application's own streams)
 *
 * ```ts
 * import { Effect, Stream } from "effect"
 * import { QuicEndpoint, QuicRpc } from "effect-quic"
 *
 * const serve = Effect.gen(function* () {
 *   const endpoint = yield* QuicEndpoint
 *   const calls = yield* QuicRpc.CallServer
 *   yield* endpoint.serve((connection) =>
 *     Effect.andThen(
 *       calls.attach(connection),
 *       connection.serveStreams((stream) => Stream.run(stream.readable, stream.writable))
 *     )
 *   )
 * })
 * ```
 *
 * @category layers
 * @since 0.1.0
 */
export const layerAttached = (options: ServeOptions = {}): Layer.Layer<RpcServer.Protocol | CallServer> =>
  Layer.effectContext(
    Effect.gen(function* () {
      const { protocol, serveCall, stop } = yield* makeServerProtocol(options)
      yield* Effect.addFinalizer(() => stop)
      const attach: CallServer["Service"]["attach"] = (over) => over.claimStreams(callPreamble, serveCall)
      return Context.add(Context.make(CallServer, { attach }), RpcServer.Protocol, protocol)
    })
  )

/**
 * Calls a server by its address, from an endpoint of its own, and stays connected with it as a `Peer` does: a call waits
 * for the next connection while there is none, for as long as `schedule` goes on.
 *
 * **Example** (From HTTP to QUIC)
 *
 * ```ts
 * import { FetchHttpClient } from "effect/http"
 * import { Layer } from "effect"
 * import { RpcClient, RpcSerialization } from "effect/rpc"
 * import { QuicRpc } from "effect-quic"
 * import { layer } from "effect-quic/layers/node"
 *
 * const http = RpcClient.layerProtocolHttp({ url: "https://bank.example/rpc" }).pipe(
 *   Layer.provide([FetchHttpClient.layer, RpcSerialization.layerNdjson])
 * )
 * const quic = QuicRpc.layerConnect({ host: "bank.example", port: 4433, alpn: ["bank"] }).pipe(Layer.provide(layer))
 * ```
 *
 * Fails with the errors of `QuicEndpoint.make` and `endpoint.peer`; that there is no server is the business of calls, which
 * fail with an `RpcClientError`.
 *
 * @category layers
 * @since 0.1.0
 */
export const layerConnect = (
  options: PeerOptions & CallOptions
): Layer.Layer<RpcClient.Protocol, QuicError, Platform> => {
  const { group: _group, maxFrameBytes: _bytes, priorityOf: _priority, retry: _retry, ...where } = options
  const connect = Effect.gen(function* () {
    const endpoint = yield* QuicEndpoint.make()
    const connection = yield* endpoint.peer(where)
    return yield* makeClientProtocol(connection, options)
  })
  return Layer.effect(RpcClient.Protocol, connect)
}

/**
 * Serves calls on an endpoint of its own, which it provides too. Fails as `QuicEndpoint.make` does.
 *
 * **Example** (From HTTP to QUIC)
 *
 * ```ts
 * import { type Identity, QuicRpc } from "effect-quic"
 *
 * // instead of RpcServer.layerProtocolHttp({ path: "/rpc" })
 * const quic = (identity: Identity.Identity) =>
 *   QuicRpc.layerListen({ port: 4433, server: { alpn: ["bank"], identity } })
 * ```
 *
 * @category layers
 * @since 0.1.0
 */
export const layerListen = (
  options: EndpointOptions & ServeOptions
): Layer.Layer<RpcServer.Protocol | QuicEndpoint, QuicError, Platform> => {
  const {
    group: _group,
    maxFrameBytes: _frame,
    maxHeldBytes: _held,
    priorityOf: _priority,
    requestTimeout: _time,
    ...where
  } = options
  const listen = Effect.gen(function* () {
    const endpoint = yield* QuicEndpoint.make(where)
    const service = yield* makeServerProtocol(options)
    yield* serveEndpoint(endpoint, service)
    return Context.add(Context.make(QuicEndpoint, endpoint), RpcServer.Protocol, service.protocol)
  })
  return Layer.effectContext(listen)
}
