/**
 * One UDP socket that speaks QUIC, as client and as server.
 *
 * The endpoint lives in the scope it is made in. Leaving that scope closes every connection and then the socket, in
 * bounded time.
 *
 * **Interruption**
 *
 * Every operation is all or nothing: it can be interrupted before it takes effect and while it waits, never in between.
 * What it makes belongs to the caller or does not exist. An operation that acquires a resource is interrupted too if
 * another fiber closes the scope it acquires into.
 *
 * **Example** (An echo server)
 *
 * ```ts
 * import { Effect, Stream } from "effect"
 * import { type Identity, QuicEndpoint } from "effect-quic"
 *
 * const server = (identity: Identity.Identity) =>
 *   Effect.gen(function* () {
 *     const endpoint = yield* QuicEndpoint.make({ port: 4433, server: { alpn: ["echo"], identity } })
 *     yield* endpoint.serveStreams((stream) => Stream.run(stream.readable, stream.writable))
 *   })
 * ```
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import * as Deferred from "effect/Deferred"
import type * as Duration from "effect/Duration"
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
import type { Bootstraps } from "./Bootstraps.ts"
import type { CertificateVerifier } from "./capability/CertificateVerifier.ts"
import type { CryptoSuite } from "./capability/CryptoSuite.ts"
import type { EndpointStatistics } from "./capability/EndpointStatistics.ts"
import type { Entropy } from "./capability/Entropy.ts"
import { Inspector } from "./capability/Inspector.ts"
import { Shard } from "./capability/Shard.ts"
import type { UdpPort } from "./capability/UdpPort.ts"
import { clientSettings } from "./clientSettings.ts"
import { beginDrain, type DrainOptions, type DrainResult } from "./EndpointDrain.ts"
import { type Dialing, makeDialing } from "./Dialing.ts"
import { type ConnectOptions, type EndpointOptions, RebindSchema } from "./EndpointOptions.ts"
import { endpointStatistics } from "./endpoint/endpointStatistics.ts"
import type { EndpointNode } from "./FiberTree.ts"
import { recallServer } from "./reconnecting.ts"
import { publishMetrics } from "./publishMetrics.ts"
import { type DialPeerOptions, Peer, type PeerOptions } from "./Peer.ts"
import { peerSettings } from "./PeerOptions.ts"
import { QuicConnection } from "./QuicConnection.ts"
import { EndpointClosed, type QuicError, quicError } from "./QuicError.ts"
import { check } from "./QuicOptions.ts"
import type { ServeOptions } from "./ServingConnection.ts"
import type { QuicStream } from "./QuicStream.ts"
import { startEndpoint } from "./startEndpoint.ts"
import { startTraversal } from "./startTraversal.ts"
import type { SocketAddress } from "./wire/SocketAddress.ts"

/**
 * An endpoint: connects, accepts and owns connections. Made by `QuicEndpoint.make`.
 *
 * **Details**
 *
 * Its operations fail with `EndpointClosed` once it is closed.
 *
 * @category models
 * @since 0.1.0
 */
export interface QuicEndpointShape extends Dialing {
  /** The address new connections use. */
  readonly localAddress: SocketAddress
  /**
   * Connects to a server whose certificate the `CertificateVerifier` accepts.
   *
   * The connection closes with its scope. Fails with `InvalidOption`, `ResolveFailed`, `Unreachable`, `ConnectFailed`,
   * `HandshakeRefused`, `HandshakeTimeout`, `VersionMismatch`, `TransportClosed`, `ApplicationClosed`, `StatelessReset`
   * or `EndpointClosed`.
   *
   * **Details**: if a tracing backend is installed, the span `quic.connect` is a child of the caller's, with a child
   * `quic.handshake` for each address that is tried. A server has a root span `quic.handshake` for each client that has
   * completed one.
   *
   * **Interruption**: while connecting. Before anything was sent, the ticket and token taken from the `TicketStore` are
   * put back; afterwards the connection closes with code 0. Nothing is left behind.
   */
  readonly connect: (options: ConnectOptions) => Effect.Effect<QuicConnection, QuicError, Scope.Scope>
  /**
   * The next client whose handshake is complete, or with 0-RTT in progress. Its connection closes with its scope.
   *
   * Fails with `InvalidOption` if the endpoint has no `server`, and with `EndpointClosed`.
   *
   * **Interruption**: while waiting; accepts no client.
   */
  readonly accept: Effect.Effect<QuicConnection, QuicError, Scope.Scope>
  /**
   * Runs `handler` for every client, each in its own fiber and scope.
   *
   * A handler that fails closes its connection with code 1, one that dies with INTERNAL_ERROR; the others are not
   * affected. After the end of its connection a handler has `closeTimeout` for its streams and half a second
   * more, and is then interrupted; until it is done, `tree` shows it and the connection. Fails as `accept` does.
   *
   * **Interruption**: interrupts the handlers, which closes their connections with code 0. Clients without a handler
   * can still be accepted.
   */
  readonly serve: <E, R>(
    handler: (connection: QuicConnection) => Effect.Effect<void, E, R>
  ) => Effect.Effect<never, QuicError, Exclude<R, Scope.Scope>>
  /** Runs `handler` for every stream of every client; otherwise as `serve`, and as `QuicConnection.serveStreams`. */
  readonly serveStreams: <E, R>(
    handler: (stream: QuicStream, connection: QuicConnection) => Effect.Effect<void, E, R>,
    options?: ServeOptions
  ) => Effect.Effect<never, QuicError, Exclude<R, Scope.Scope>>
  /**
   * Moves the endpoint to another local address. RFC 9000 §9
   *
   * Connections it made continue there, with unused connection IDs, and fall back to the old address if the server does
   * not answer over the new one. Connections it accepted, and those whose server forbids migration, keep the old
   * socket, which is closed once unused. Fails with `InvalidOption`, `BindFailed` or `EndpointClosed`.
   *
   * **Interruption**: only before it starts.
   */
  readonly rebind: (where: LocalPlace) => Effect.Effect<void, QuicError>
  /**
   * Stays connected to a server by a restart policy for as long as the scope lasts: see `Peer`.
   *
   * If the scope succeeds, accepted data is delivered first; otherwise the peer closes at once. Fails with
   * `InvalidOption`, also if the endpoint already has a peer of that name, and with `EndpointClosed`.
   *
   * **Interruption**: leaves no peer.
   */
  readonly peer: (options: PeerOptions | DialPeerOptions) => Effect.Effect<Peer, QuicError, Scope.Scope>
  /**
   * Takes the endpoint out of service in good order, and closes it: at `deadline` at the latest, 0 to 24 hours from now,
   * default 10 seconds.
   *
   * 1. New clients are refused with CONNECTION_REFUSED and may try another server; so are those in the handshake, and
   *    connections that nobody has accepted. `accept` fails with `EndpointClosed`.
   * 2. `draining` succeeds, for handlers that want to say goodbye: QUIC has no frame for it, so clients learn of it from
   *    your protocol. They can open the streams they were granted already, and no more.
   * 3. Handlers finish. `serveStreams` succeeds once no stream is open, none of its handlers runs, and what was under way
   *    has arrived. A connection whose handler waits on after that is closed as in 4.
   * 4. Other connections, accepted ones and those this endpoint made, close with `code` and `reason` as soon as no stream
   *    of theirs is open and accepted data is delivered; those of peers close as with `Peer.close`.
   * 5. At the deadline, what is left is closed with `code` and `reason`, and its handlers are interrupted.
   *
   * Idempotent: further calls return the same result, and can bring the deadline forward; `drain(0)` ends it at once. Fails
   * with `InvalidOption`.
   *
   * **Interruption**: draining goes on without the caller.
   */
  readonly drain: (deadline?: Duration.Input, options?: DrainOptions) => Effect.Effect<DrainResult, QuicError>
  /** Waits until the endpoint drains, or is closed. */
  readonly draining: Effect.Effect<void>
  /**
   * The nodes that tell this endpoint its address: its relays, those of the option `traversal`, and others as you add them.
   */
  readonly bootstraps: Bootstraps
  /** What lives on this endpoint now, as data; `FiberTree.print` formats it. */
  readonly tree: Effect.Effect<EndpointNode>
  /**
   * What the endpoint has counted since it was made: packets by fate, handshakes, closes.
   *
   * **Details**
   *
   * A plain record, read when the effect runs. `connection.stats` has the counters of one connection.
   *
   * **Example** (Packets that were thrown away because nobody could have sent them honestly)
   *
   * ```ts
   * import { Effect } from "effect"
   * import { QuicEndpoint } from "effect-quic"
   *
   * const forged = Effect.gen(function* () {
   *   const endpoint = yield* QuicEndpoint
   *   const { dropped } = yield* endpoint.statistics
   *   return dropped.unauthentic + dropped.malformed
   * })
   * ```
   *
   * Never fails. **Interruption**: changes nothing.
   */
  readonly statistics: Effect.Effect<EndpointStatistics>
  /** Number of live connections. */
  readonly connectionCount: Effect.Effect<number>
}

/**
 * A UDP socket that speaks QUIC, also as a service.
 *
 * @category services
 * @since 0.1.0
 */
export class QuicEndpoint extends Context.Service<QuicEndpoint, QuicEndpointShape>()(
  "effect-quic/QuicEndpoint"
) {
  /**
   * Binds a socket and starts the endpoint; both end with the scope.
   *
   * Fails with `InvalidOption`, also if the `CryptoSuite` does not support an option, and with `BindFailed`.
   *
   * **Interruption**: leaves no socket bound.
   */
  static readonly make = (
    options: EndpointOptions = {}
  ): Effect.Effect<
    QuicEndpointShape,
    QuicError,
    UdpPort | CryptoSuite | Entropy | CertificateVerifier | Scope.Scope
  > => acquireAll(make(options))

  /** Provides an endpoint made with these options; fails as `make` does. */
  static readonly layer = (
    options: EndpointOptions = {}
  ): Layer.Layer<QuicEndpoint, QuicError, UdpPort | CryptoSuite | Entropy | CertificateVerifier> =>
    Layer.effect(QuicEndpoint, QuicEndpoint.make(options))
}

const make = Effect.fnUntraced(function* (options: EndpointOptions) {
  const { actor, keeper, context, dialing, traverses, own, links } = yield* startEndpoint(options)
  const show = (connection: ConnectionActor): QuicConnection => new QuicConnection(connection)
  const dialSettings = { ...dialing, show }
  const bootstraps = yield* startTraversal(dialSettings, traverses, context, own?.port, links)
  const { store, nowMillis } = dialing
  const byKey = yield* makeDialing({ actor, own, links, store, nowMillis, context, show })
  const tree = Effect.sync(() => treeSnapshot(actor))
  yield* publishMetrics(actor)
  const inspector = yield* Inspector
  if (inspector !== undefined) yield* inspector.show(tree)
  const statistics = Effect.sync(() => endpointStatistics(actor.core))
  const shard = yield* Shard
  if (shard !== undefined && options.server !== undefined)
    yield* shard.publish({
      address: actor.socket.localAddress,
      statistics,
      tree,
      drain: (millis, code, reason) => actor.drain.begin(millis, { code, reason })
    })

  const serve: QuicEndpointShape["serve"] = (handler) =>
    refuseFunction(handler, "handler") ??
    serveConnections(actor.accepting, (connection) => called(() => handler(show(connection))))

  const peer = Effect.fnUntraced(function* (options: PeerOptions | DialPeerOptions) {
    const { connectOptions, ...given } = yield* peerSettings(options)
    if ("address" in connectOptions) {
      const { address, ...dialOptions } = connectOptions
      const { name, connect } = yield* byKey.prepared(address, dialOptions)
      const settings = { ...given, name: given.name ?? name, dial: connect }
      return acquirePeer(actor, settings, (one) => new Peer(one))
    }
    const server = yield* recallServer(dialing, yield* clientSettings(connectOptions, context))
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
        Effect.flatMap(clientSettings(options, context), (known) =>
          Effect.flatMap(recallServer(dialing, known), (server) =>
            dial(dialSettings, server, server.earlyData ?? false)
          )
        )
      ),
    peer,
    ...byKey.operations,
    drain: (deadline, options) =>
      beginDrain((millis, how) => actor.drain.begin(millis, how), deadline, options),
    draining: Deferred.await(actor.drain.begun),
    accept: acceptConnection(actor.accepting, show),
    serve,
    serveStreams: (handler, options) =>
      refuseFunction(handler, "handler") ??
      serve((connection) => connection.serveStreams((stream) => handler(stream, connection), options)),
    bootstraps,
    tree,
    statistics,
    connectionCount: Effect.sync(() => [...actor.connections.all].length)
  })
})
