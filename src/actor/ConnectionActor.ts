/**
 * One connection from the application's side: the pure `Connection`, and the fibers that wait for it.
 *
 * It owns a fiber that lives until the connection is drained and, below it, those of migrations, of certificate
 * verification, and of saving tickets and tokens; also its handlers, its wait lists, and the error every operation
 * fails with once the connection is closed. Interrupting the fiber closes the connection; a defect in it or in the
 * verifier closes it with INTERNAL_ERROR and does not affect other connections.
 *
 * It never touches the socket: `touch` asks the endpoint's loop to send, and the loop calls `settle` after each burst
 * to wake waiting fibers.
 */
import type * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import type { CertificateVerifierShape } from "../capability/CertificateVerifier.ts"
import type { SessionTicket } from "../capability/TicketStore.ts"
import type { PeerNode } from "../capability/treeNodes.ts"
import type { Connection } from "../connection/Connection.ts"
import type { Timed } from "../internal/DeadlineHeap.ts"
import { EndpointClosed, type QuicError, type QuicErrorReason } from "../QuicError.ts"
import { sameAddress, type SocketAddress } from "../wire/SocketAddress.ts"
import type { Branch, Resident } from "./Branch.ts"
import { failingWith, reasonOf, type SendRefusal } from "./closeReasons.ts"
import { ConnectionSignals } from "./ConnectionSignals.ts"
import { DatagramFates, type OnFate } from "./DatagramFates.ts"
import { type ConnectionListener, pumpEvents } from "./eventPump.ts"
import { type HandledConnection, Handlers } from "./Handlers.ts"
import { PathActor, type PathHost } from "./PathActor.ts"
import { type ServerMemory, SessionSaver } from "./SessionSaver.ts"
import { StreamRouter, WAKES } from "./StreamRouter.ts"
import { type Verdict, type VerifyOptions, verifyPeer } from "./verifyPeer.ts"
import { readersOf } from "./readersOf.ts"
import type { TraversalRecord } from "./TraversalRecord.ts"
import { aboutConnection, type LogAnnotations } from "./logAnnotations.ts"

/** What an actor needs of its endpoint. */
export interface ConnectionHost {
  readonly branch: Branch
  readonly verifier: CertificateVerifierShape
  readonly keyLog: ((line: string) => void) | undefined
  /** Microseconds on the endpoint's clock. */
  readonly now: () => number
  readonly openSocket: PathHost["openSocket"]
  /** Logs a defect that has been handled. */
  report(what: string, cause: Cause.Cause<unknown>, about?: LogAnnotations): void
  /** The connection has something to send, or a new deadline. */
  touch(actor: ConnectionActor): void
  onEstablished(actor: ConnectionActor): void
  /** Its server does not answer. */
  onUnanswered(actor: ConnectionActor): void
  onHandshakeComplete(actor: ConnectionActor): void
  /** A path has another route. */
  onMoved(actor: ConnectionActor): void
  /** What is shown of its traversal of NATs; undefined if the endpoint looks for no direct paths. */
  traversalOf(actor: ConnectionActor): TraversalRecord | undefined
  /** No more datagrams of this connection are expected. */
  onDrained(actor: ConnectionActor): void
  /** Handlers of this connection are running, even if it is drained; or none are any more. */
  onServed(actor: ConnectionActor, isServed: boolean): void
}

/** The peer a connection belongs to. */
export interface ConnectionOwner {
  readonly branch: Branch
  /** Its node in the tree. */
  snapshot(nowMicros: number): Omit<PeerNode, "connections">
}

export class ConnectionActor implements PathHost, HandledConnection, ConnectionListener, Resident {
  readonly core: Connection
  /** Its state in the endpoint's loop. */
  readonly entry = new LoopEntry(this)
  /** Set when the connection has ended: what every operation then fails with. */
  failure: Effect.Effect<never, QuicError> | undefined = undefined
  readonly signals: ConnectionSignals
  readonly streams: StreamRouter
  readonly branch: Branch
  readonly path: PathActor
  readonly sinceMicros: number
  /** Undefined for an accepted connection, or one opened without a peer. */
  readonly owner: ConnectionOwner | undefined
  private readonly host: ConnectionHost
  private readonly saver: SessionSaver | undefined
  /** Most connections have none. */
  private served: Handlers | undefined = undefined
  private fates: DatagramFates | undefined = undefined
  /** The fiber of the certificate verifier while it runs. */
  private verification: Branch | undefined = undefined
  /** The last reason why the system refused to send to the peer. */
  private refusal: SendRefusal | undefined = undefined
  /** The application may have it already. */
  private isShown = false

  constructor(
    core: Connection,
    host: ConnectionHost,
    memory: ServerMemory | undefined,
    owner: ConnectionOwner | undefined
  ) {
    this.core = core
    this.host = host
    this.owner = owner
    this.sinceMicros = host.now()
    const readers = readersOf(this)
    this.signals = new ConnectionSignals(readers)
    this.streams = new StreamRouter(core.streams, host.now, readers)
    this.branch = this.parent.house(this)
    this.path = new PathActor(this)
    this.saver = memory && new SessionSaver(memory, this.branch, this)
  }

  /** Its fiber has ended: as it is drained, or as somebody wants it to end. */
  onInterrupted(): void {
    if (this.failure === undefined) this.close(0, "interrupted")
  }

  onDefect(cause: Cause.Cause<unknown>): void {
    this.report("a connection broke", cause)
    this.crash("a defect, which is in the log")
  }

  /** Logs a defect that has been handled. */
  report(what: string, cause: Cause.Cause<unknown>): void {
    this.host.report(what, cause, aboutConnection(this))
  }

  /** Where the connection grows, and its handlers beside it. */
  get parent(): Branch {
    return (this.owner ?? this.host).branch
  }

  get handlers(): Handlers {
    return (this.served ??= new Handlers(this))
  }

  get graceMillis(): number {
    return this.core.config.transport.closeTimeoutMillis
  }

  get traversal(): TraversalRecord | undefined {
    return this.host.traversalOf(this)
  }

  get isOver(): boolean {
    return this.failure !== undefined
  }

  onBusy(isBusy: boolean): void {
    this.host.onServed(this, isBusy)
  }

  /** The fiber that `serve` runs for it. */
  get handlerId(): number | undefined {
    return this.served?.fiberId
  }

  /** Whether handlers run. */
  get isServed(): boolean {
    return this.served?.isBusy ?? false
  }

  /** Waits until no handler runs. */
  get whenUnserved(): Effect.Effect<void> {
    return this.served?.whenIdle ?? Effect.void
  }

  /** Fibers at and below this one, including handlers. */
  get fiberCount(): number {
    return this.branch.fiberCount + (this.served?.fiberCount ?? 0)
  }

  /** Where a client keeps what it learns of its server. */
  get memory(): ServerMemory | undefined {
    return this.saver?.memory
  }

  get isEstablished(): boolean {
    return this.core.lifecycle.state === "established"
  }

  /** Established, or with 0-RTT. */
  get isUsable(): boolean {
    return this.isShown && this.failure === undefined
  }

  /** Application fibers that wait for the connection or one of its streams. */
  get waiting(): number {
    return (this.fates?.size ?? 0) + this.signals.waiting + this.streams.waiting
  }

  now(): number {
    return this.host.now()
  }

  openSocket(...where: Parameters<PathHost["openSocket"]>): ReturnType<PathHost["openSocket"]> {
    return this.host.openSocket(...where)
  }

  /** Asks the loop to send what the core has queued. Cheap, and harmless when there is nothing. */
  touch(): void {
    this.host.touch(this)
  }

  /** The endpoint drains: the peer is granted no more streams, and `serveStreams` ends as soon as none is open. */
  leave(): void {
    if (this.core.streams.isFrozen) return
    this.core.streams.freeze()
    this.signals.closed.wakeAll()
  }

  /** Refuses a client that the application does not know yet. */
  refuse(reason: string): void {
    this.core.refuse(reason, this.host.now())
    this.touch()
  }

  close(code: number, reason: string): void {
    this.core.close(code, reason, this.host.now())
    this.touch()
  }

  /** Closes it if the server has been heard from; otherwise discards it and returns false. */
  giveUp(): boolean {
    const wasHeard = this.core.path.traffic.datagramsSent > 0
    if (wasHeard) this.core.close(0, "interrupted", this.host.now())
    else this.core.abandon("interrupted")
    this.touch()
    return wasHeard
  }

  /** INTERNAL_ERROR: a defect in this connection's own fibers. */
  crash(reason: string): void {
    this.core.crash(reason, this.host.now())
    this.touch()
  }

  /** The endpoint was closed and waits no longer. */
  abandon(): void {
    this.verification?.interruptUnsafe()
    const wasOpen = this.failure === undefined
    if (wasOpen) this.fail(() => new EndpointClosed())
    this.drain()
    if (wasOpen) this.wakeAllWaiters()
  }

  /** The system refuses to send to that address. A client that has not heard from the server fails at once. */
  onSendRefused(to: SocketAddress, problem: string, isLasting: boolean): void {
    const { core } = this
    if (this.failure !== undefined || !sameAddress(core.path.remote, to)) return
    const isFinal = isLasting && core.receiver.counters.received === 0
    this.refusal = { problem, isFinal }
    // the core may be in the middle of sending
    if (isFinal) this.touch()
  }

  /** Nothing was ever sent: the ticket and token can be used again. */
  get isUnreachable(): boolean {
    return this.refusal?.isFinal === true
  }

  /** Calls `onFate` with the fate of a datagram, unless the returned function is called before. */
  onFate(id: number, onFate: OnFate): () => void {
    return (this.fates ??= new DatagramFates()).listen(id, onFate)
  }

  /** Delivers the core's events. Called by the loop, outside the core; the fibers it wakes may call `touch`. */
  settle(): void {
    const { core } = this
    if (this.isUnreachable && core.lifecycle.isOpen) core.abandon("unreachable")
    const wasOpen = this.failure === undefined
    pumpEvents(core, this)
    if (this.failure === undefined) this.settleData()
    else if (wasOpen) this.wakeAllWaiters()
  }

  private settleData(): void {
    const { signals, streams } = this
    const { datagrams } = this.core
    const canOpenBidirectional = this.core.streams.pollOpenable(false)
    const canOpen = this.core.streams.pollOpenable(true) || canOpenBidirectional
    const left = streams.settle(WAKES)
    for (let settled = datagrams.takeFate(); settled !== undefined; settled = datagrams.takeFate())
      this.fates?.settle(settled.id, Effect.succeed(settled.fate))
    datagrams.announce()
    signals.driven.wakeAll()
    const opened = streams.routeOpened(left)
    if (canOpen || opened > 0 || datagrams.hasReceived) signals.changed.wakeAll()
    // what the woken have written is sent before the others run
    if (opened === left) this.touch()
  }

  onPeerProven(request: VerifyOptions["request"]): void {
    const { core, host } = this
    const verification = verifyPeer({
      core,
      verifier: this.memory?.verifier ?? host.verifier,
      request,
      parent: this.branch,
      report: (what, cause) => this.report(what, cause),
      conclude: (verdict) => this.conclude(verdict)
    })
    if (!verification.isDone) this.verification = verification
  }

  conclude(verdict: Verdict): void {
    this.verification = undefined
    this.core.handleVerdict(verdict, this.host.now())
    this.touch()
  }

  onUsable(): void {
    // before the application is woken, which may ask for its metrics at once
    if (this.isEstablished) this.host.onHandshakeComplete(this)
    if (!this.isShown) this.host.onEstablished(this)
    this.isShown = true
    this.signals.ready.wakeAll()
  }

  onKeyLog(line: string): void {
    this.host.keyLog?.(line)
  }

  onMoved(): void {
    this.host.onMoved(this)
    this.path.moved.wakeAll()
    this.signals.changed.wakeAll()
  }

  onTraversal(): void {
    this.core.traversal.deliver()
  }

  onObserved(): void {
    this.path.moved.wakeAll()
    this.signals.changed.wakeAll()
  }

  onUnanswered(): void {
    this.host.onUnanswered(this)
  }

  onTraced(): void {
    this.path.moved.wakeAll()
  }

  onAddressToken(token: Uint8Array): void {
    this.saver?.addAddressToken(token)
  }

  onTicket(ticket: SessionTicket): void {
    this.saver?.addTicket(ticket)
  }

  onClosed(): void {
    this.fail(() => reasonOf(this.core, this.refusal))
  }

  onDrained(): void {
    this.host.onDrained(this)
    this.drain()
  }

  private drain(): void {
    this.signals.isDrained = true
    this.branch.interruptUnsafe()
  }

  private fail(reason: () => QuicErrorReason): void {
    this.failure = failingWith(reason)
    this.verification?.interruptUnsafe()
  }

  /** The connection has ended: wakes all waiting fibers. */
  private wakeAllWaiters(): void {
    const { signals } = this
    signals.ready.wakeAll()
    signals.changed.wakeAll()
    signals.driven.wakeAll()
    this.streams.wakeAll()
    this.fates?.failAll(this.failure!)
    this.path.moved.wakeAll()
    signals.closed.wakeAll()
    this.served?.onOver()
  }
}

/** The loop's state for one connection. */
export class LoopEntry implements Timed {
  readonly actor: ConnectionActor
  heapIndex = -1
  deadlineMicros = Number.POSITIVE_INFINITY
  /** Queued to be served. */
  isDirty = false

  constructor(actor: ConnectionActor) {
    this.actor = actor
  }
}
