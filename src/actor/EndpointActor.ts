/**
 * One endpoint: its sockets, connections and peers, and the branch of the fiber tree they all belong to.
 *
 * Its fiber runs the loop (`EndpointLoop`), which moves the datagrams. This class is the control plane: it creates and
 * removes connections and sockets. A defect in the loop itself closes the endpoint.
 */
import type * as Cause from "effect/Cause"
import type * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import type { CertificateVerifierShape } from "../capability/CertificateVerifier.ts"
import type { NetworkInterfacesShape } from "../capability/NetworkInterfaces.ts"
import { microsOf } from "../capability/TimerClock.ts"
import type { UdpSocket } from "../capability/UdpPort.ts"
import type { Connection } from "../connection/Connection.ts"
import type { TlsSettings, TransportSettings } from "../connection/ConnectionConfig.ts"
import { Endpoint } from "../endpoint/Endpoint.ts"
import type { ClientMemory, EndpointConfig } from "../endpoint/EndpointConfig.ts"
import type { CandidateSource } from "../nat/CandidateSource.ts"
import type { ProbeBudget } from "../nat/ProbeBudget.ts"
import type { TraversalSettings } from "../nat/TraversalSettings.ts"
import type { RandomBytes } from "../internal/RandomBytes.ts"
import type { SocketNumber } from "../path/Route.ts"
import { whyUnreachable } from "../wire/destination.ts"
import { formatAddress, type SocketAddress } from "../wire/SocketAddress.ts"
import { AcceptQueue } from "./AcceptQueue.ts"
import { beginTraversal } from "./beginTraversal.ts"
import { Branch, type RunFork } from "./Branch.ts"
import { ConnectionActor, type ConnectionHost, type ConnectionOwner } from "./ConnectionActor.ts"
import { ConnectionTable } from "./ConnectionTable.ts"
import { Drain, type DrainHost } from "./Drain.ts"
import { EndpointLoop, type LoopHost } from "./EndpointLoop.ts"
import { type OpenRefuge, Roaming, type RoamingHost } from "./Roaming.ts"
import type { EndpointMetrics } from "./EndpointMetrics.ts"
import type { LogAnnotations } from "./logAnnotations.ts"
import { TraversalRecord } from "./TraversalRecord.ts"
import type { ServerMemory } from "./SessionSaver.ts"
import { preferDirect } from "./preferDirect.ts"
import type { HandshakeRecorder } from "./spans.ts"

/** What an endpoint needs besides the configuration of its core. */
export interface EndpointSurroundings {
  readonly socket: UdpSocket
  readonly clock: Clock.Clock
  readonly verifier: CertificateVerifierShape
  readonly keyLog: ((line: string) => void) | undefined
  readonly runFork: RunFork
  readonly recordHandshake: HandshakeRecorder | undefined
  readonly openSocket: (
    actor: EndpointActor,
    ...where: Parameters<ConnectionHost["openSocket"]>
  ) => ReturnType<ConnectionHost["openSocket"]>
  /** Closes the endpoint at once, and its sockets. */
  readonly close: (actor: EndpointActor) => Effect.Effect<void>
  /** How the connections it makes move by themselves; undefined if they do not. */
  readonly roaming: RoamingSurroundings | undefined
}

export interface RoamingSurroundings {
  readonly interfaces: NetworkInterfacesShape | undefined
  readonly openRefuge: (actor: EndpointActor, ...isForNew: Parameters<OpenRefuge>) => ReturnType<OpenRefuge>
}

/** A peer as its endpoint sees it. */
export interface PeerPlace extends ConnectionOwner {
  readonly name: string
  /** The endpoint is closing: the peer makes no more connections. */
  retire(): void
}

/** What connections find direct paths with. */
export interface EndpointTraversal {
  readonly settings: TraversalSettings
  readonly candidates: CandidateSource & {
    /** New connections use another socket now. */
    onSocketReplaced(): void
  }
  /** What all connections together may probe. */
  readonly budget: ProbeBudget
  readonly random: RandomBytes
  /** Of connections that look for a direct path, or whose application waits for that. */
  readonly records: WeakMap<ConnectionActor, TraversalRecord>
}

/** Who is told of connections. */
interface Telemetry {
  /** Set to publish metrics. */
  metrics: EndpointMetrics | undefined
  readonly recordHandshake: HandshakeRecorder | undefined
}

const TOO_MANY = "too many connections wait"
const SHUTTING_DOWN = "the server is shutting down"

export class EndpointActor implements ConnectionHost, LoopHost, RoamingHost {
  readonly core: Endpoint
  readonly openSocket: ConnectionHost["openSocket"]
  readonly now: () => number
  readonly sinceMicros: number
  readonly connections = new ConnectionTable()
  /** Incoming connections waiting to be accepted. */
  readonly accepting: AcceptQueue
  readonly peers = new Set<PeerPlace>()
  /** The branch of the loop's fiber; everything else is below it. */
  readonly branch: Branch
  isClosed = false
  readonly drain: Drain
  readonly telemetry: Telemetry
  /** Set if it looks for direct paths through NATs. */
  traversal: EndpointTraversal | undefined = undefined
  private readonly surroundings: EndpointSurroundings
  private readonly loop: EndpointLoop
  private readonly roaming: Roaming | undefined

  constructor(config: EndpointConfig, surroundings: EndpointSurroundings) {
    const { socket, clock, runFork, openSocket, roaming } = surroundings
    this.core = new Endpoint({ ...config, addressOf: (socket) => this.addressOf(socket) })
    if (this.core.incoming !== undefined) this.core.incoming.isDeferred = true
    this.surroundings = surroundings
    this.telemetry = { metrics: undefined, recordHandshake: surroundings.recordHandshake }
    this.openSocket = (...where) => openSocket(this, ...where)
    this.now = microsOf(clock)
    this.sinceMicros = this.now()
    this.accepting = new AcceptQueue(this.core.limits.acceptBacklog, config.server !== undefined)
    this.loop = new EndpointLoop(this, socket, clock, runFork)
    this.drain = new Drain(this.drainHost(Effect.suspend(() => surroundings.close(this))))
    this.branch = new Branch(runFork).fork(this.loop.run, (cause) => {
      this.report("the endpoint broke", cause)
      this.shutdown()
    })
    this.roaming =
      roaming && new Roaming(this, (isForNew) => roaming.openRefuge(this, isForNew), roaming.interfaces)
  }

  get verifier(): CertificateVerifierShape {
    return this.surroundings.verifier
  }

  get keyLog(): ((line: string) => void) | undefined {
    return this.surroundings.keyLog
  }

  /** The socket of new connections. */
  get socket(): UdpSocket {
    return this.loop.sockets.main.socket
  }

  get mainNumber(): SocketNumber {
    return this.loop.sockets.main.number
  }

  get socketCount(): number {
    return this.loop.sockets.count
  }

  get turns(): number {
    return this.loop.turns
  }

  get hasTimer(): boolean {
    return this.loop.hasTimer
  }

  /** Adds a socket to the loop and returns its number for routes. */
  addSocket(socket: UdpSocket): SocketNumber {
    return this.loop.addSocket(socket).number
  }

  /** Adds the socket whose remotes are peers behind relays. */
  addRelays(socket: UdpSocket): void {
    this.loop.sockets.relayed = this.loop.addSocket(socket)
  }

  /** The number of the socket that reaches `remote`. */
  socketFor(remote: SocketAddress): SocketNumber {
    return this.loop.sockets.placeFor(remote).number
  }

  removeSocket(number: SocketNumber): void {
    this.loop.sockets.remove(number)
  }

  /** New connections use `socket` from now on; returns the number of the socket they used before. */
  replaceMain(socket: UdpSocket): SocketNumber {
    const { sockets } = this.loop
    const before = sockets.main.number
    sockets.main = this.loop.addSocket(socket)
    this.traversal?.candidates.onSocketReplaced()
    return before
  }

  /** Moves every connection that may leave the old socket to `socket`; returns the number of the old one. */
  rebind(socket: UdpSocket): SocketNumber {
    const { sockets } = this.loop
    const before = this.replaceMain(socket)
    for (const actor of this.connections.all) {
      for (const path of actor.core.paths) {
        const leaves = path.routes.current.socket === before || path.migration.awaited === before
        if (leaves && whyUnreachable(socket.localAddress, path.remote) === undefined)
          actor.core.rebind(sockets.main.number, this.now(), path)
      }
      this.touch(actor)
    }
    return before
  }

  /** Whether any route of any connection uses this socket. */
  usesSocket(number: SocketNumber): boolean {
    const { sockets } = this.loop
    if (number === sockets.main.number) return true
    for (const { core } of this.connections.all)
      for (const socket of core.paths.sockets) if (sockets.at(socket).socketNumber === number) return true
    return false
  }

  /** The local address of a socket number; the main socket's if it is closed. */
  addressOf(number: SocketNumber): SocketAddress {
    const { from, socket } = this.loop.sockets.at(number)
    return from ?? socket.localAddress
  }

  /** Waits until another handshake may start. */
  get mayBegin(): Effect.Effect<void> {
    return this.loop.pacer.mayBegin
  }

  connect(
    remote: SocketAddress,
    tls: TlsSettings,
    transport: TransportSettings,
    memory: ClientMemory,
    server: ServerMemory,
    peer?: PeerPlace
  ): ConnectionActor {
    const { number } = this.loop.sockets.placeFor(remote)
    const core = this.core.connect(remote, tls, transport, this.now(), memory, number)
    const actor = new ConnectionActor(core, this, server, peer)
    this.connections.add(actor, true)
    this.roaming?.add(actor)
    this.touch(actor)
    return actor
  }

  /** What is shown of a connection's traversal; undefined if the endpoint looks for no direct paths. */
  traversalOf(actor: ConnectionActor): TraversalRecord | undefined {
    const { traversal, core } = this
    if (traversal === undefined) return undefined
    const known = traversal.records.get(actor)
    if (known !== undefined) return known
    const record = new TraversalRecord(core.counters.traversal, actor.core.config.observer)
    traversal.records.set(actor, record)
    return record
  }

  adopt(connection: Connection): ConnectionActor {
    const actor = new ConnectionActor(connection, this, undefined, undefined)
    this.connections.add(actor, false)
    return actor
  }

  touch(actor: ConnectionActor): void {
    this.loop.touch(actor)
  }

  onEstablished(actor: ConnectionActor): void {
    if (actor.core.config.role === "client") return this.connections.onAnswered(actor)
    if (this.accepting.isFull) return actor.refuse(this.accepting.isDraining ? SHUTTING_DOWN : TOO_MANY)
    this.accepting.add(actor)
  }

  onUnanswered(actor: ConnectionActor): void {
    this.roaming?.onUnanswered(actor)
  }

  onHandshakeComplete(actor: ConnectionActor): void {
    this.telemetry.metrics?.update(actor)
    beginTraversal(actor, this.traversal)
    const { core, branch, sinceMicros } = actor
    if (core.config.role === "server")
      this.telemetry.recordHandshake?.(core, branch.fiberId, this.now() - sinceMicros)
  }

  onMoved(actor: ConnectionActor): void {
    if (this.loop.sockets.relayed !== undefined) preferDirect(actor)
    if (actor.isEstablished) this.telemetry.metrics?.update(actor)
  }

  onDrained(actor: ConnectionActor): void {
    this.telemetry.metrics?.remove(actor)
    this.core.forget(actor.core)
    this.connections.remove(actor)
    this.roaming?.remove(actor)
    this.loop.remove(actor)
  }

  onServed(actor: ConnectionActor, isServed: boolean): void {
    this.connections.onServed(actor, isServed)
  }

  report(what: string, cause: Cause.Cause<unknown>, about: LogAnnotations = {}): void {
    const endpoint = formatAddress(this.socket.localAddress)
    this.surroundings.runFork(Effect.annotateLogs(Effect.logError(what, cause), { endpoint, ...about }))
  }

  /** What waited for the relay is sent at once. */
  onRelayUp({ url }: { readonly url: string }): void {
    const leadsThere = ({ relayed }: SocketAddress) => relayed?.startsWith(`${url} `) === true
    for (const actor of this.connections.all) if (actor.core.resume(leadsThere)) this.touch(actor)
  }

  /** Stops accepting connections; refuses the clients that wait for their turn. */
  stopAccepting(): void {
    this.core.incoming?.stop(this.now())
  }

  private drainHost(close: Effect.Effect<void>): DrainHost {
    const { now, connections } = this
    const { runFork } = this.surroundings
    return {
      now,
      runFork,
      close,
      get connections() {
        return connections.visible
      },
      refuseStrangers: () => this.refuseStrangers(),
      retirePeerOf: ({ owner }) => {
        for (const peer of this.peers) if (peer === owner) peer.retire()
      }
    }
  }

  /** Refuses new clients, those in the handshake, and those that nobody has accepted. */
  private refuseStrangers(): void {
    if (this.core.incoming !== undefined) this.core.incoming.isDraining = true
    const unknown = [...this.connections.all].filter(
      ({ core, isUsable }) => core.config.role === "server" && !isUsable
    )
    for (const actor of [...unknown, ...this.accepting.drain()]) actor.refuse(SHUTTING_DOWN)
  }

  /** Sends what can be sent at once, and releases everything. */
  shutdown(): void {
    if (this.isClosed) return
    this.isClosed = true
    this.drain.countFinished()
    this.loop.stop()
    for (const actor of [...this.connections.all]) {
      this.onDrained(actor)
      actor.abandon()
    }
    this.accepting.close()
    this.loop.pacer.close()
    this.loop.sockets.clear()
    // last: it may close the sockets
    this.drain.end()
  }
}
