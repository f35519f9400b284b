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
import * as Layer from "effect/Layer"
import * as RpcClient from "effect/rpc/RpcClient"
import * as RpcServer from "effect/rpc/RpcServer"
import { type ClientOptions, makeClientProtocol } from "./rpc/clientProtocol.ts"
import { makeServerProtocol, type ServerProtocolOptions } from "./rpc/serverProtocol.ts"

export type { ClientOptions } from "./rpc/clientProtocol.ts"
export { rpcErrorCodes } from "./rpc/frames.ts"
export { type PeerInfo, QuicPeer, type ServerProtocolOptions } from "./rpc/serverProtocol.ts"

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
  Layer.effect(RpcClient.Protocol, makeClientProtocol(options))

/**
 * Serves the calls of every client of an endpoint; it takes all their streams. The handlers find the caller in
 * `QuicPeer`.
 *
 * @category layers
 * @since 0.1.0
 */
export const layerServer = (options: ServerProtocolOptions): Layer.Layer<RpcServer.Protocol> =>
  Layer.effect(RpcServer.Protocol, makeServerProtocol(options))
