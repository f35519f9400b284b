/**
 * One UDP socket that speaks QUIC, as client and as server.
 *
 * ```ts
 * const server = Effect.gen(function* () {
 *   const endpoint = yield* QuicEndpoint.make({ port: 4433, server: { alpn: ["echo"], identity } })
 *   yield* endpoint.serveStreams((stream) => Stream.run(stream.readable, stream.writable))
 * })
 * ```
 *
 * The endpoint lives in the scope it is made in. Leaving that scope closes every connection and then the socket, in
 * bounded time.
 *
 * Every operation begins with a checkpoint, interrupted at which it has changed nothing, and is then all or nothing: what
 * it makes is the caller's, or is gone. One that acquires something is interrupted when somebody else closes the scope that
 * it acquires into.
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"
import { acceptConnection } from "./actor/AcceptQueue.ts"
import { acquireAll } from "./actor/acquire.ts"
import { acquirePeer } from "./actor/acquirePeer.ts"
import type { ConnectionActor } from "./actor/ConnectionActor.ts"
import { dial } from "./actor/dial.ts"
import type { PeerPlace } from "./actor/EndpointActor.ts"
import type { LocalPlace } from "./actor/PathActor.ts"
import { serveConnections } from "./actor/serveConnections.ts"
import { treeSnapshot } from "./actor/treeSnapshot.ts"
import { called, refuseFunction } from "./arguments.ts"
import type { CertificateVerifier } from "./capability/CertificateVerifier.ts"
import type { CryptoSuite } from "./capability/CryptoSuite.ts"
import type { Entropy } from "./capability/Entropy.ts"
import { Inspector } from "./capability/Inspector.ts"
import type { UdpPort } from "./capability/UdpPort.ts"
import { clientSettings } from "./clientSettings.ts"
import { type ConnectOptions, type EndpointOptions, RebindSchema } from "./EndpointOptions.ts"
import type { EndpointNode } from "./FiberTree.ts"
import { Peer, type PeerOptions, peerSettings } from "./Peer.ts"
import { QuicConnection } from "./QuicConnection.ts"
import { EndpointClosed, type QuicError, quicError } from "./QuicError.ts"
import { check } from "./QuicOptions.ts"
import type { QuicStream } from "./QuicStream.ts"
import { startEndpoint } from "./startEndpoint.ts"
import type { SocketAddress } from "./wire/SocketAddress.ts"

export interface QuicEndpointShape {
  readonly localAddress: SocketAddress
  /**
   * Completes a handshake with a server whose certificate the `CertificateVerifier` accepts. A checkpoint first, and
   * whenever it waits. Interrupted before anything was sent, it gives the ticket and the token back that it has taken
   * out of the `TicketStore`; after that it closes with code 0, and leaves nothing behind.
   */
  readonly connect: (options: ConnectOptions) => Effect.Effect<QuicConnection, QuicError, Scope.Scope>
  /**
   * The next client whose handshake completed. A checkpoint first, and whenever it waits; interrupted, it has taken
   * none.
   */
  readonly accept: Effect.Effect<QuicConnection, QuicError, Scope.Scope>
  /**
   * Runs `handler` for every client, each in a fiber and a scope of its own. One that fails closes its connection with
   * code 1, one that dies with INTERNAL_ERROR; the others never notice. When its connection is over, a handler has
   * `closeTimeoutMillis` to end as the handlers of streams do, and half a second for what follows these; then it is
   * interrupted. Until it is done the tree shows it, and the connection.
   *
   * A checkpoint before each client it takes. Interrupted, it interrupts the handlers, which closes their connections
   * with code 0; clients without a handler stay to be accepted.
   */
  readonly serve: <E, R>(
    handler: (connection: QuicConnection) => Effect.Effect<void, E, R>
  ) => Effect.Effect<never, QuicError, Exclude<R, Scope.Scope>>
  /** `serve`, with a handler for each stream of each client. Interrupted as that is. */
  readonly serveStreams: <E, R>(
    handler: (stream: QuicStream, connection: QuicConnection) => Effect.Effect<void, E, R>
  ) => Effect.Effect<never, QuicError, Exclude<R, Scope.Scope>>
  /**
   * Moves the endpoint to another local address. The connections it made go on from there, with connection IDs not
   * used before, and fall back to the old address if the server does not answer over the new one; those it accepted,
   * and those whose server forbids it, stay on the old socket, which is closed when nobody uses it any more.
   * RFC 9000 §9
   *
   * A checkpoint first; what follows, the bind included, is not interrupted.
   */
  readonly rebind: (where: LocalPlace) => Effect.Effect<void, QuicError>
  /**
   * Stays connected with a server, by a restart policy, for as long as the scope lasts: after success what was accepted
   * is delivered, otherwise it ends at once. Fails with `InvalidOption`, also when the endpoint has a peer of that
   * name. A checkpoint, then at once: interrupted, there is no peer.
   */
  readonly peer: (options: PeerOptions) => Effect.Effect<Peer, QuicError, Scope.Scope>
  /** What lives on this endpoint now; `FiberTree.print` shows it to people. It changes nothing. */
  readonly tree: Effect.Effect<EndpointNode>
  /** Live connections, for looking at. */
  readonly connectionCount: Effect.Effect<number>
}

/** A UDP socket that speaks QUIC. */
export class QuicEndpoint extends Context.Service<QuicEndpoint, QuicEndpointShape>()(
  "effect-quic/QuicEndpoint"
) {
  /**
   * Binds a socket and starts the endpoint's loop; both end with the scope. A checkpoint first; interrupted or failed,
   * it has bound nothing.
   */
  static readonly make = (
    options: EndpointOptions = {}
  ): Effect.Effect<
    QuicEndpointShape,
    QuicError,
    UdpPort | CryptoSuite | Entropy | CertificateVerifier | Scope.Scope
  > => acquireAll(make(options))

  static readonly layer = (
    options: EndpointOptions = {}
  ): Layer.Layer<QuicEndpoint, QuicError, UdpPort | CryptoSuite | Entropy | CertificateVerifier> =>
    Layer.effect(QuicEndpoint, QuicEndpoint.make(options))
}

const make = Effect.fnUntraced(function* (options: EndpointOptions) {
  const { actor, keeper, context, dialing } = yield* startEndpoint(options)
  const show = (connection: ConnectionActor): QuicConnection => new QuicConnection(connection)
  const dialSettings = { ...dialing, show }
  const tree = Effect.sync(() => treeSnapshot(actor))
  const inspector = yield* Inspector
  if (inspector !== undefined) yield* inspector.show(tree)

  const serve: QuicEndpointShape["serve"] = (handler) =>
    refuseFunction(handler, "handler") ??
    serveConnections(actor.accepting, (connection) => called(() => handler(show(connection))))

  const peer = Effect.fnUntraced(function* (options: PeerOptions) {
    const { connectOptions, ...given } = yield* peerSettings(options)
    const server = yield* clientSettings(connectOptions, context)
    const settings = {
      ...given,
      name: given.name ?? `${server.expectedName}:${server.port}`,
      dial: (place: PeerPlace) => dial(dialSettings, server, true, place)
    }
    return acquirePeer(actor, settings, (one) => new Peer(one))
  }, Effect.flatten)

  return QuicEndpoint.of({
    get localAddress() {
      return actor.socket.localAddress
    },
    rebind: Effect.fnUntraced(function* (where) {
      if (actor.isClosed) return yield* quicError(new EndpointClosed())
      yield* keeper.rebind(actor, yield* check(RebindSchema, where))
    }, Effect.uninterruptible),
    connect: (options) =>
      acquireAll(
        Effect.flatMap(clientSettings(options, context), (server) =>
          dial(dialSettings, server, server.earlyData ?? false)
        )
      ),
    peer,
    accept: acceptConnection(actor.accepting, show),
    serve,
    serveStreams: (handler) =>
      refuseFunction(handler, "handler") ??
      serve((connection) => connection.serveStreams((stream) => handler(stream, connection))),
    tree,
    connectionCount: Effect.sync(() => [...actor.connections.all].length)
  })
})
