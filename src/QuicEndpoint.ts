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
import * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import { Hex } from "effect/encoding"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import type * as Redacted from "effect/Redacted"
import * as Schedule from "effect/Schedule"
import * as Scope from "effect/Scope"
import * as SubscriptionRef from "effect/SubscriptionRef"
import { AddressResolver } from "effect/net/AddressResolver"
import { acquire, acquireAll, type Source } from "./actor/acquire.ts"
import { attempt } from "./actor/attempt.ts"
import type { RunFork } from "./actor/Branch.ts"
import type { ConnectionActor } from "./actor/ConnectionActor.ts"
import { destinations } from "./actor/destinations.ts"
import { EndpointActor, type PeerPlace } from "./actor/EndpointActor.ts"
import type { Handlers } from "./actor/Handlers.ts"
import { lookAtTree } from "./actor/lookAtTree.ts"
import type { ServerNotes } from "./actor/NoteKeeper.ts"
import type { LocalPlace } from "./actor/PathActor.ts"
import { PeerActor } from "./actor/PeerActor.ts"
import { SocketKeeper } from "./actor/SocketKeeper.ts"
import { WaitList } from "./actor/WaitList.ts"
import { called, checkRecord, refuseFunction, secretBytes } from "./arguments.ts"
import { CertificateVerifier } from "./capability/CertificateVerifier.ts"
import { CryptoSuite } from "./capability/CryptoSuite.ts"
import { Entropy } from "./capability/Entropy.ts"
import { Inspector } from "./capability/Inspector.ts"
import { KeyLog } from "./capability/KeyLog.ts"
import { Qlog } from "./capability/Qlog.ts"
import { ReplayGuard } from "./capability/ReplayGuard.ts"
import { TicketKeys } from "./capability/TicketKeys.ts"
import { TicketStore } from "./capability/TicketStore.ts"
import { UdpPort } from "./capability/UdpPort.ts"
import type { TransportSettings } from "./connection/ConnectionConfig.ts"
import { stillGrants } from "./connection/parameters.ts"
import type { EarlyDataRequest } from "./handshake/TlsSession.ts"
import {
  BindSchema,
  type ConnectOptions,
  ConnectSchema,
  type EndpointOptions,
  RebindSchema,
  type ServerOptions,
  ServerSchema
} from "./EndpointOptions.ts"
import type { EndpointNode } from "./FiberTree.ts"
import { defaultSchedule, Peer, type PeerOptions, PeerSchema, type PeerState } from "./Peer.ts"
import { QlogTrace } from "./qlog/QlogTrace.ts"
import { QuicConnection } from "./QuicConnection.ts"
import { EndpointClosed, invalidOption, type QuicError, quicError } from "./QuicError.ts"
import { check, checkServerTransport, checkTransport } from "./QuicOptions.ts"
import type { QuicStream } from "./QuicStream.ts"
import * as Resumption from "./Resumption.ts"
import { identityFor, identitySelector, serverNameOf, tlsPreferences } from "./TlsOptions.ts"
import { formatIp, parseIp, unmap } from "./wire/ipAddress.ts"
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
  yield* checkRecord(options, "options")
  if (options.server !== undefined) yield* checkRecord(options.server, "server")
  const udp = yield* UdpPort
  const suite = yield* CryptoSuite
  const { randomBytes } = yield* Entropy
  const verifier = yield* CertificateVerifier
  const keyLog = yield* KeyLog
  const qlog = yield* Qlog
  const inspector = yield* Inspector
  const resolver = yield* Effect.serviceOption(AddressResolver)
  const clock = yield* Clock.Clock
  const nowMillis = (): number => clock.currentTimeMillisUnsafe()
  const runFork = Effect.runForkWith(yield* Effect.context<never>())
  const { server: serverOptions, resetSecret, ...bindOptions } = options
  const bind = yield* check(BindSchema, bindOptions)
  const shared = { peerCertificateTypes: verifier.certificateTypes, keyLog: keyLog !== undefined }

  const server = serverOptions && (yield* serverSettings(serverOptions))
  const resetKey = resetSecret === undefined ? undefined : yield* resetKeyFrom(resetSecret)
  // made before the loop, and so closed after it
  const keeper = new SocketKeeper(udp, yield* Scope.fork(yield* Effect.scope), server !== undefined)
  let own = yield* keeper.open(bind)
  const preferred = yield* openPreferred(server?.preferredAddress)
  const store = Option.getOrElse(yield* Effect.serviceOption(TicketStore), Resumption.defaults.store)
  const { connectionIdBytes = 8, acceptBacklog = 128 } = bind
  const begin = () =>
    new EndpointActor(
      {
        suite,
        random: randomBytes,
        connectionIdBytes,
        resetKey,
        ecn: own.socket.capabilities.ecn,
        ...(qlog !== undefined && {
          observe: (role, id, nowMicros) => new QlogTrace(role, id, nowMicros, nowMillis(), qlog)
        }),
        server: server && { ...server, preferred: preferred.addresses }
      },
      {
        socket: own.socket,
        clock,
        verifier,
        keyLog,
        runFork,
        openSocket: (actor, ...where) => keeper.lend(actor, ...where),
        acceptBacklog
      }
    )
  const actor = yield* Effect.acquireRelease(Effect.sync(begin), closeAll)
  for (const socket of preferred.sockets) actor.addSocket(socket)

  const rebind: QuicEndpointShape["rebind"] = Effect.fnUntraced(function* (where) {
    if (actor.isClosed) return yield* quicError(new EndpointClosed())
    const next = yield* keeper.openFor(actor, yield* check(RebindSchema, where))
    const before = actor.rebind(next.socket)
    keeper.closeUnused(actor, before, own.scope)
    own = next
  }, Effect.uninterruptible)

  function* resetKeyFrom(secret: Redacted.Redacted<Uint8Array>) {
    const bytes = yield* secretBytes(secret, "resetSecret")
    return suite.hmac("sha256", bytes, new TextEncoder().encode("stateless reset"))
  }

  /** Sockets at the preferred addresses, which stay as long as the endpoint. */
  function* openPreferred(wanted: ServerOptions["preferredAddress"]) {
    const open = function* (place: LocalPlace | undefined) {
      const { port } = own.socket.localAddress
      return place && (yield* keeper.open({ port, ...place })).socket
    }
    const ipv4 = yield* open(wanted?.ipv4)
    const ipv6 = yield* open(wanted?.ipv6)
    const sockets = [ipv4, ipv6].filter((socket) => socket !== undefined)
    const addresses = { ipv4: ipv4?.localAddress, ipv6: ipv6?.localAddress }
    return { sockets, addresses: sockets.length === 0 ? undefined : addresses }
  }

  function* serverSettings(given: ServerOptions) {
    const { identity, transport, ...rest } = given
    const checked = yield* check(ServerSchema, rest, "server.")
    const checkedTransport = yield* checkServerTransport(transport)
    const tickets = yield* ticketSettings(checked, checkedTransport)
    return {
      transport: checkedTransport,
      ...(tickets !== undefined && { tickets }),
      preferredAddress: checked.preferredAddress,
      retry: { when: checked.retry ?? "underLoad", handshakes: checked.retryHandshakes ?? 256 },
      maxHandshakes: checked.maxHandshakes ?? 1024,
      tls: {
        ...shared,
        ...(yield* tlsPreferences(checked, suite, "server.")),
        selectIdentity: yield* identitySelector(identity, suite, "server.identity"),
        requestClientCertificate: checked.clientCertificate ?? ("none" as const),
        serverName: undefined,
        expectedName: undefined
      }
    }
  }

  function* ticketSettings(
    { ticketLifetimeSeconds = 86_400, earlyData = false }: typeof ServerSchema.Type,
    settings: TransportSettings
  ) {
    if (ticketLifetimeSeconds === 0) return undefined
    const makeKeys = () => Resumption.defaults.keys(suite, randomBytes)
    const keys = Option.getOrElse(yield* Effect.serviceOption(TicketKeys), makeKeys)
    const makeGuard = () => Resumption.makeReplayGuard(nowMillis())
    const guard = Option.getOrElse(yield* Effect.serviceOption(ReplayGuard), makeGuard)
    const acceptEarlyData = ({ binder, earliestMillis, transportParameters }: EarlyDataRequest) =>
      stillGrants(transportParameters, settings) && guard.admit(binder, earliestMillis, nowMillis())
    return {
      nowMillis,
      ticketLifetimeSeconds,
      sealTicket: (plaintext: Uint8Array) => keys.seal(plaintext, nowMillis()),
      openTicket: (identity: Uint8Array) => keys.open(identity, nowMillis()),
      ...(earlyData && { acceptEarlyData })
    }
  }

  const resolve = (host: string, port: number) =>
    destinations({ resolver, zoneName: udp.zoneName }, actor.socket, host, port)

  /** Everything about a server that does not change from one connection to the next. */
  const prepare = Effect.fnUntraced(function* (given: ConnectOptions) {
    yield* checkRecord(given, "options")
    const { identity, transport, ...rest } = given
    const checked = yield* check(ConnectSchema, rest)
    const checkedTransport = yield* checkTransport(transport)
    const wanted = checked.serverName ?? checked.host
    const literal = parseIp(wanted)
    const nameField = checked.serverName === undefined ? "host" : "serverName"
    // certificates know nothing of zones, nor of other ways to write an address
    const expectedName =
      literal === undefined ? yield* serverNameOf(wanted, nameField) : formatIp(unmap(literal.bytes))
    const ours = identity === undefined ? undefined : yield* identityFor(identity, suite, "identity")
    const tls = {
      ...shared,
      ...(yield* tlsPreferences(checked, suite, "")),
      selectIdentity: () => ours,
      requestClientCertificate: "none" as const,
      // RFC 6066 §3: literal addresses are not permitted in SNI
      serverName: literal === undefined ? expectedName : undefined,
      expectedName
    }
    // whoever we are in a resumed session is who we were in the one before
    const self = ours === undefined ? "" : Hex.encode(suite.hash("sha256", ours.chain[0]))
    const memory = JSON.stringify([expectedName, checked.port, checked.alpn, self])
    return { ...checked, tls, transport: checkedTransport, memory, expectedName }
  })

  const dial = (
    server: Effect.Success<ReturnType<typeof prepare>>,
    earlyData: boolean,
    peer?: PeerPlace
  ): Effect.Effect<QuicConnection, QuicError, Scope.Scope> => {
    const notes: ServerNotes = {
      onTicket: (next) => store.putTicket(server.memory, next),
      onAddressToken: (token) => store.putAddressToken(server.memory, token)
    }
    const dialOne = (remote: SocketAddress) =>
      attempt({
        host: actor,
        take: store.take(server.memory),
        putBack: ({ ticket, addressToken }) =>
          Effect.andThen(
            ticket === undefined ? Effect.void : notes.onTicket(ticket),
            addressToken === undefined ? Effect.void : notes.onAddressToken(addressToken)
          ),
        begin: ({ ticket, addressToken }) => {
          const memory = { addressToken, resumption: { nowMillis, ticket, earlyData } }
          return actor.connect(remote, server.tls, server.transport, memory, notes, peer)
        },
        earlyData,
        show: (begun) => new QuicConnection(begun),
        end: endConnection
      })
    return Effect.flatMap(resolve(server.host, server.port), ([first, ...rest]) =>
      rest.reduce(
        (dialed, other) => Effect.catchReason(dialed, "QuicError", "Unreachable", () => dialOne(other)),
        dialOne(first)
      )
    )
  }

  const connect: QuicEndpointShape["connect"] = (options) =>
    acquireAll(Effect.flatMap(prepare(options), (server) => dial(server, server.earlyData ?? false)))

  const peer: QuicEndpointShape["peer"] = Effect.fnUntraced(function* (options) {
    yield* checkRecord(options, "options")
    const { name, restart, schedule = defaultSchedule, stableMillis, maxWaiting, ...connectOptions } = options
    if (!Schedule.isSchedule(schedule)) return yield* invalidOption("schedule", "a Schedule")
    const policy = { name, restart, stableMillis, maxWaiting }
    const given = Object.fromEntries(Object.entries(policy).filter(([, value]) => value !== undefined))
    const checked = yield* check(PeerSchema, given)
    const server = yield* prepare(connectOptions)
    const settings = {
      ...checked,
      name: checked.name ?? `${server.expectedName}:${server.port}`,
      schedule,
      dial: (place: PeerPlace) => dial(server, true, place)
    }
    const state = yield* SubscriptionRef.make<PeerState>({ _tag: "Idle", reason: undefined })
    const refusal = () => {
      if (actor.isClosed) return Effect.fail(quicError(new EndpointClosed()))
      return [...actor.peers].some((other) => other.name === settings.name)
        ? invalidOption("name", `there is a peer ${settings.name} already`)
        : undefined
    }
    let one: PeerActor<QuicConnection>
    const take = () => {
      actor.peers.add((one = new PeerActor(settings, actor, state)))
      return new Peer(one)
    }
    const source = { has: () => refusal() === undefined, take, refusal, changed: new WaitList() }
    return acquire(source, (_, exit) => (Exit.isSuccess(exit) ? one.close(0, "") : one.abandon))
  }, Effect.flatten)

  const incoming: Source<QuicConnection, QuicError> = {
    has: () => actor.incoming.length > 0,
    take: () => {
      const connection = actor.incoming.shift()
      return connection && new QuicConnection(connection)
    },
    refusal: () => {
      if (actor.isClosed) return Effect.fail(quicError(new EndpointClosed()))
      return server === undefined ? noServer : undefined
    },
    changed: actor.incomingChanged
  }

  const serve: QuicEndpointShape["serve"] = <E, R>(
    handler: (connection: QuicConnection) => Effect.Effect<void, E, R>
  ) =>
    refuseFunction(handler, "handler") ??
    (Effect.gen(function* () {
      const run = Effect.runForkWith(yield* Effect.context<Exclude<R, Scope.Scope>>())
      // whoever interrupts it, and when: it closes its connection first
      const runFork: RunFork = (effect) => run(effect, { uninterruptible: true })
      const ours = new Set<Handlers>()
      yield* Effect.addFinalizer(() =>
        Effect.forEach(ours, (handlers) => handlers.end, { concurrency: "unbounded", discard: true })
      )
      const serveOne = Effect.suspend(() => {
        const taken = actor.incoming.shift()
        if (taken === undefined) return incoming.refusal() ?? incoming.changed.park
        // in the same step: no interrupt falls before there is a fiber that answers for the connection
        const { handlers } = taken
        const connection = new QuicConnection(taken)
        ours.add(handlers)
        const supervised = superviseConnection(
          connection,
          called(() => handler(connection)) as Effect.Effect<void, E>
        )
        handlers.run(supervised, runFork, () => ours.delete(handlers))
        return Effect.void
      })
      return yield* Effect.forever(serveOne, { disableYield: true })
    }).pipe(Effect.scoped) as ReturnType<QuicEndpointShape["serve"]> as never)

  const tree = Effect.sync(() => lookAtTree(actor))
  if (inspector !== undefined) yield* inspector.show(tree)

  return QuicEndpoint.of({
    get localAddress() {
      return actor.socket.localAddress
    },
    rebind,
    connect,
    peer,
    accept: acquire(incoming, endConnection),
    serve,
    serveStreams: (handler) =>
      refuseFunction(handler, "handler") ??
      (serve((connection) => connection.serveStreams((stream) => handler(stream, connection))) as never),
    tree,
    connectionCount: Effect.sync(() => [...actor.connections].length)
  })
})

const noServer = invalidOption("server", "this endpoint takes no connections: it was made without `server`")

/** Runs a connection's handler and turns the way it ends into the way the connection does. */
const superviseConnection = <E, R>(connection: QuicConnection, handler: Effect.Effect<void, E, R>) =>
  Effect.onExit(Effect.interruptible(handler), (exit) => endConnection(connection, exit)).pipe(
    Effect.scoped,
    Effect.tapCause((cause) =>
      Cause.hasInterruptsOnly(cause) ? Effect.void : Effect.logWarning("connection handler failed", cause)
    ),
    Effect.ignoreCause
  )

/** How long the fibers below an endpoint that has said goodbye may take to end. */
const CLOSING_MILLIS = 1000

/** Codes a scope that does not end well closes its connection with. */
const FAILED = 1

/** What leaving its scope means for a connection: delivered and closed, or closed at once. */
const endConnection = (
  connection: QuicConnection,
  exit: Exit.Exit<unknown, unknown>
): Effect.Effect<void> => {
  if (Exit.isSuccess(exit)) return Effect.ignore(connection.close())
  if (Cause.hasDies(exit.cause)) return connection.crash("a handler died")
  return Cause.hasInterruptsOnly(exit.cause)
    ? Effect.orDie(connection.closeNow(0, "interrupted"))
    : Effect.orDie(connection.closeNow(FAILED, "failed"))
}

/** Closes every connection, after success when what was accepted is delivered, and the endpoint with them. */
const closeAll = (actor: EndpointActor, exit: Exit.Exit<unknown, unknown>): Effect.Effect<void> =>
  Effect.suspend(() => {
    actor.stopAccepting()
    for (const peer of actor.peers) peer.retire()
    const open = [...actor.connections].filter((connection) => connection.failure === undefined)
    const end = (connection: ConnectionActor) => endConnection(new QuicConnection(connection), exit)
    return Effect.forEach(open, end, { concurrency: "unbounded", discard: true })
  }).pipe(
    Effect.ensuring(Effect.sync(() => actor.shutdown())),
    // a fiber of the application's that cannot be interrupted, in a verifier for instance, is not waited for long
    Effect.ensuring(Effect.timeoutOption(Effect.interruptible(actor.branch.close), CLOSING_MILLIS))
  )
