/**
 * One connection as the application meets it: the pure `Connection`, and everyone who waits for it.
 *
 * It owns a fiber that lives until the connection is drained and, below it, the fibers of its path, of the question to
 * the certificate verifier, and of what is noted for the next connection; besides, its handlers, the wait lists, and the
 * error every operation fails with once the connection is over. Interrupting the fiber closes the
 * connection; a defect in it, or in the verifier's answer, closes it with INTERNAL_ERROR, and its siblings never notice.
 *
 * It never touches the socket: `touch` asks the endpoint's loop to send, and the loop calls `settle` after each burst to
 * wake whoever has something to see.
 */
import { otherRole } from "../wire/Role.ts"
import type * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import type { CertificateVerifierShape } from "../capability/CertificateVerifier.ts"
import type { Connection } from "../connection/Connection.ts"
import type { Timed } from "../endpoint/DeadlineHeap.ts"
import type { PeerNode } from "../capability/treeNodes.ts"
import type { TlsEvent } from "../handshake/TlsSession.ts"
import { EndpointClosed, type QuicError, type QuicErrorReason, quicError } from "../QuicError.ts"
import type { DatagramFate } from "../stream/DatagramQueue.ts"
import { isUnidirectional } from "../stream/StreamId.ts"
import { Fifo } from "../internal/Fifo.ts"
import { sameAddress, type SocketAddress } from "../wire/SocketAddress.ts"
import type { Branch } from "./Branch.ts"
import { reasonOf } from "./closeReasons.ts"
import { unreachable } from "./destinations.ts"
import { Handlers } from "./Handlers.ts"
import { NoteKeeper, type ServerNotes } from "./NoteKeeper.ts"
import { PathActor, type PathHost } from "./PathActor.ts"
import { StreamActor } from "./StreamActor.ts"
import { WaitList } from "./WaitList.ts"

/** What an actor needs of the endpoint it lives in. */
export interface ConnectionHost {
  readonly verifier: CertificateVerifierShape
  readonly keyLog: ((line: string) => void) | undefined
  /** Microseconds on the endpoint's clock. */
  readonly now: () => number
  readonly openSocket: PathHost["openSocket"]
  /** What broke, for people; it has been dealt with. */
  report(what: string, cause: Cause.Cause<unknown>): void
  /** The connection has something to send, or a new deadline. */
  touch(actor: ConnectionActor): void
  onEstablished(actor: ConnectionActor): void
  /** No datagram of this connection is expected any more. */
  onDrained(actor: ConnectionActor): void
  /** Handlers of this connection are at work, drained or not; or none any more. */
  onServed(actor: ConnectionActor, isServed: boolean): void
}

/** A peer, as far as the tree shows it. */
export interface Lookable {
  look(nowMicros: number): Omit<PeerNode, "connections">
}

/** What became of a datagram, or of its connection. */
export type TellFate = (fate: Effect.Effect<DatagramFate, QuicError>) => void

export class ConnectionActor implements Timed, PathHost {
  readonly core: Connection
  heapIndex = -1
  deadlineMicros = Number.POSITIVE_INFINITY
  /** On the endpoint's list of connections to serve. */
  isDirty = false
  /** Set when the connection is over: what every operation then fails with. */
  failure: Effect.Effect<never, QuicError> | undefined = undefined
  isDrained = false
  /** Established, or over. */
  readonly ready = new WaitList()
  /** Over. */
  readonly closed = new WaitList()
  /** Nothing is left on the wire. */
  readonly drained = new WaitList()
  /** A stream can be opened, or accepted, or a datagram read. */
  readonly changed = new WaitList()
  /** Something may have been acknowledged. */
  readonly delivered = new WaitList()
  /** Who waits for what becomes of a datagram, by its id. */
  private fates: Map<number, TellFate> | undefined = undefined
  /** Streams of the peer's that nobody has accepted yet; flow control limits how many it opens. RFC 9000 §4.6 */
  readonly openedBidirectional = new Fifo<number>()
  readonly openedUnidirectional = new Fifo<number>()
  readonly streams = new Map<number, StreamActor>()
  readonly branch: Branch
  private served: Handlers | undefined = undefined
  private readonly parent: Branch
  readonly path: PathActor
  readonly sinceMicros: number
  /** Whose connection it is; undefined for one that was accepted, or made for itself. */
  readonly peer: Lookable | undefined
  private readonly host: ConnectionHost
  private readonly notes: NoteKeeper | undefined
  private verdict: Branch | undefined = undefined
  /** The last that the system had against sending to the server, and whether that ends the attempt. */
  private refusal: { readonly problem: string; readonly isFinal: boolean } | undefined = undefined
  /** The application may have it already. */
  private isShown = false

  constructor(
    core: Connection,
    host: ConnectionHost & { readonly branch: Branch },
    notes: ServerNotes | undefined,
    peer: (Lookable & { readonly branch: Branch }) | undefined
  ) {
    this.core = core
    this.host = host
    this.peer = peer
    this.sinceMicros = host.now()
    this.parent = (peer ?? host).branch
    this.branch = this.parent.fork(this.life, this.onDefect)
    this.notes =
      notes && new NoteKeeper(notes, this.branch, (cause) => host.report("the ticket store broke", cause))
    this.path = new PathActor(this, this.branch, this.onDefect)
  }

  /** Lasts until nothing is left on the wire; interrupted, it closes the connection. */
  private get life(): Effect.Effect<void> {
    const drained: Effect.Effect<void> = Effect.suspend(() =>
      this.isDrained ? Effect.void : Effect.flatMap(this.drained.park, () => drained)
    )
    return Effect.onInterrupt(drained, () =>
      Effect.sync(() => {
        if (this.failure === undefined) this.close(0, "interrupted")
      })
    )
  }

  private readonly onDefect = (cause: Cause.Cause<unknown>): void => {
    this.host.report("a connection broke", cause)
    this.crash("a defect, which is in the log")
  }

  /** Most connections have none. */
  get handlers(): Handlers {
    return (this.served ??= new Handlers({
      branch: this.parent,
      graceMillis: this.core.config.transport.closeTimeoutMillis,
      isOver: () => this.failure !== undefined,
      onDefect: this.onDefect,
      onBusy: (isBusy) => this.host.onServed(this, isBusy)
    }))
  }

  /** The fiber that `serve` runs for it. */
  get handlerId(): number | undefined {
    return this.served?.fiberId
  }

  /** Fibers at and below this one, and those of the handlers. */
  get fiberCount(): number {
    return this.branch.fiberCount + (this.served?.fiberCount ?? 0)
  }

  get isEstablished(): boolean {
    return this.core.lifecycle.state === "established"
  }

  /** Established, or with 0-RTT. */
  get isUsable(): boolean {
    return this.isShown && this.failure === undefined
  }

  /** Asks the loop to send what the core now has. Cheap, and harmless when there is nothing. */
  touch(): void {
    this.host.touch(this)
  }

  /** The actor of a stream that the application is about to use. */
  stream(id: number): StreamActor {
    let stream = this.streams.get(id)
    if (stream === undefined) this.streams.set(id, (stream = new StreamActor(id, this.host.now())))
    return stream
  }

  /** Fibers that wait for the connection or one of its streams. */
  get waiting(): number {
    let count =
      (this.fates?.size ?? 0) + this.ready.size + this.closed.size + this.changed.size + this.delivered.size
    for (const stream of this.streams.values()) count += stream.waiting
    return count
  }

  now(): number {
    return this.host.now()
  }

  openSocket(...where: Parameters<PathHost["openSocket"]>): ReturnType<PathHost["openSocket"]> {
    return this.host.openSocket(...where)
  }

  /** Changes the connection IDs. */
  rotateIds(): void {
    this.core.rotateIds(this.host.now())
    this.touch()
  }

  close(code: number, reason: string): void {
    this.core.close(code, reason, this.host.now())
    this.touch()
  }

  /** Closes it, if anybody has heard of it; otherwise forgets it, and returns false. */
  giveUp(): boolean {
    const wasHeard = this.core.path.traffic.datagramsSent > 0
    if (wasHeard) this.core.close(0, "interrupted", this.host.now())
    else this.core.abandon("interrupted")
    this.touch()
    return wasHeard
  }

  /** The system will not send to that address. Who has not heard anything of the server need not wait for it any longer. */
  onSendRefused(to: SocketAddress, problem: string, isLasting: boolean): void {
    const { core } = this
    if (this.failure !== undefined || !sameAddress(core.path.remote, to)) return
    const isFinal = isLasting && core.receiver.counters.received === 0
    this.refusal = { problem, isFinal }
    // the core may be in the middle of sending
    if (isFinal) this.host.touch(this)
  }

  /** Nothing was ever sent: what was taken along can be used again. */
  get isUnreachable(): boolean {
    return this.refusal?.isFinal === true
  }

  /** INTERNAL_ERROR: a defect in this connection's own fibers. */
  crash(reason: string): void {
    this.core.crash(reason, this.host.now())
    this.touch()
  }

  /** The endpoint is going away without waiting any longer. */
  abandon(): void {
    this.verdict?.interruptUnsafe()
    const wasOpen = this.failure === undefined
    if (wasOpen) this.fail(new EndpointClosed())
    this.isDrained = true
    this.drained.wakeAll()
    if (wasOpen) this.wakeEverybody()
  }

  /** Passes on what the core has to tell. Called by the loop, outside the core; those it wakes may call `touch`. */
  settle(): void {
    const { core } = this
    if (this.isUnreachable && core.lifecycle.isOpen) core.abandon("unreachable")
    let ended = false
    for (let event = core.pollEvent(); event !== undefined; event = core.pollEvent()) {
      switch (event._tag) {
        case "verifyPeer":
          this.verify(event.request)
          break
        case "early":
        case "established":
          if (!this.isShown) this.host.onEstablished(this)
          this.isShown = true
          this.ready.wakeAll()
          break
        case "keyLog":
          this.host.keyLog?.(event.line)
          break
        case "closed":
          this.fail(this.reason)
          ended = true
          break
        case "drained":
          this.isDrained = true
          this.host.onDrained(this)
          this.drained.wakeAll()
          break
        case "moved":
          this.path.moved.wakeAll()
          this.changed.wakeAll()
          break
        case "newToken":
          this.notes?.addAddressToken(event.token)
          break
        case "ticket":
          this.notes?.addTicket(event.ticket)
          break
        case "confirmed":
          break
      }
    }
    if (ended) this.wakeEverybody()
    if (this.failure === undefined) this.settleStreams()
  }

  private get reason(): QuicErrorReason {
    const { refusal } = this
    if (refusal?.isFinal === true) return unreachable(this.core.path.remote, refusal.problem)
    return reasonOf(this.core, refusal?.problem)
  }

  /** Tells what becomes of a datagram, unless what is returned is called before. */
  onFate(id: number, tell: TellFate): () => void {
    ;(this.fates ??= new Map()).set(id, tell)
    return () => this.fates?.delete(id)
  }

  private settleStreams(): void {
    const { streams } = this.core
    let changed = streams.pollOpenable(false)
    changed = streams.pollOpenable(true) || changed
    for (let id = streams.pollOpened(); id >= 0; id = streams.pollOpened()) {
      if (isUnidirectional(id)) this.openedUnidirectional.push(id)
      else this.openedBidirectional.push(id)
      changed = true
    }
    for (let id = streams.pollReadable(); id >= 0; id = streams.pollReadable())
      this.streams.get(id)?.readable.wakeAll()
    for (let id = streams.pollWritable(); id >= 0; id = streams.pollWritable())
      this.streams.get(id)?.writable.wakeAll()
    for (let id = streams.pollStopped(); id >= 0; id = streams.pollStopped())
      this.streams.get(id)?.writable.wakeAll()
    for (let id = streams.pollClosed(); id >= 0; id = streams.pollClosed()) {
      const stream = this.streams.get(id)
      if (stream === undefined) continue
      stream.ended = { receive: streams.receiveOutcome(id), send: streams.sendOutcome(id) }
      stream.wakeAll()
      this.streams.delete(id)
    }
    const { fates } = this.core.datagrams
    for (let told = fates.shift(); told !== undefined; told = fates.shift()) {
      const tell = this.fates?.get(told.id)
      this.fates?.delete(told.id)
      tell?.(Effect.succeed(told.fate))
    }
    this.delivered.wakeAll()
    if (changed || this.core.datagrams.hasReceived) this.changed.wakeAll()
  }

  private verify(request: Extract<TlsEvent, { _tag: "verifyPeer" }>): void {
    const { core, host } = this
    const { peer } = request
    const role = otherRole(core.config.role)
    const judge = host.verifier.verify({ peer, role, serverName: core.config.tls.expectedName })
    const verdict = this.branch.fork(
      Effect.map(Effect.result(judge), (result) =>
        this.conclude(
          Result.isSuccess(result)
            ? { ok: true }
            : { ok: false, alert: result.failure.alert, reason: result.failure.reason }
        )
      ),
      (cause) => {
        host.report("the certificate verifier broke", cause)
        // a verifier that dies accepts nobody
        this.conclude({ ok: false, alert: 80, reason: "the certificate verifier failed" })
      }
    )
    if (!verdict.isDone) this.verdict = verdict
  }

  private conclude(verdict: Parameters<Connection["handleVerdict"]>[0]): void {
    this.verdict = undefined
    this.core.handleVerdict(verdict, this.host.now())
    this.touch()
  }

  private fail(reason: QuicErrorReason): void {
    this.failure = Effect.fail(quicError(reason))
    this.verdict?.interruptUnsafe()
  }

  /** The connection is over: whoever waits for anything finds that out. */
  private wakeEverybody(): void {
    this.ready.wakeAll()
    this.changed.wakeAll()
    this.delivered.wakeAll()
    for (const stream of this.streams.values()) stream.wakeAll()
    for (const tell of this.fates?.values() ?? []) tell(this.failure!)
    this.fates = undefined
    this.path.moved.wakeAll()
    this.closed.wakeAll()
    this.served?.onOver()
  }
}
