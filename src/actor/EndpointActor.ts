/**
 * The endpoint's loop: one fiber that pulls a burst of datagrams from the socket, drives the connections they are
 * for, fires the deadlines that have passed, sends what came of it in one batch, and only then wakes the fibers that
 * have something to see.
 *
 * It owns the sockets, the routing (`Endpoint`), one timer armed for the earliest deadline of all connections, the
 * list of connections to be served, and the branch of the fiber tree that all of them grow from. A turn is synchronous:
 * an interrupt falls between turns, so no connection is ever seen half-driven. A defect that shows in a turn ends the
 * connection it shows in; one in the loop itself ends the endpoint.
 */
import type { SocketNumber } from "../path/Route.ts"
import * as Cause from "effect/Cause"
import type * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as Fiber from "effect/Fiber"
import type { CertificateVerifierShape } from "../capability/CertificateVerifier.ts"
import type { EcnCodepoint, UdpSocket } from "../capability/UdpPort.ts"
import type { Connection } from "../connection/Connection.ts"
import type { TlsSettings, TransportSettings } from "../connection/ConnectionConfig.ts"
import { DeadlineGate } from "../endpoint/DeadlineGate.ts"
import { DeadlineHeap } from "../endpoint/DeadlineHeap.ts"
import { Endpoint } from "../endpoint/Endpoint.ts"
import type { ClientMemory, EndpointConfig } from "../endpoint/EndpointConfig.ts"
import { whyUnreachable } from "../wire/destination.ts"
import type { SocketAddress } from "../wire/SocketAddress.ts"
import { Branch, type RunFork } from "./Branch.ts"
import { ConnectionActor, type ConnectionHost, type Lookable } from "./ConnectionActor.ts"
import type { ServerNotes } from "./NoteKeeper.ts"
import { SocketTable } from "./SocketTable.ts"
import { WaitList } from "./WaitList.ts"

/** Datagrams taken from the socket in one turn; the rest waits until others have had theirs. */
const RECEIVE_BURST = 256
/** Datagrams one connection sends before the next has its turn. */
const SEND_BURST = 64
/** Strangers that have their turn, which is a few milliseconds of work each, in one turn of everybody else's. */
const STRANGERS_A_TURN = 1
/** Handshakes of our own that begin in one turn: a crowd of them is not to keep those begun from going on. */
const BEGINNINGS_A_TURN = 4
/** After this, what waits for a congested socket is looked at again even if the socket has not called. */
const CONGESTED_MICROS = 10_000
/** What the peer of a connection with a defect gets to read. */
const BROKEN = "a defect, which is in the log"
/** Rounds of wake-ups and what they write, before the loop yields. */
const ROUNDS = 4

/** What the loop works with. */
export interface EndpointSurroundings {
  readonly socket: UdpSocket
  readonly clock: Clock.Clock
  readonly verifier: CertificateVerifierShape
  readonly keyLog: ((line: string) => void) | undefined
  readonly runFork: RunFork
  readonly openSocket: (
    actor: EndpointActor,
    ...where: Parameters<ConnectionHost["openSocket"]>
  ) => ReturnType<ConnectionHost["openSocket"]>
  /** How many established connections wait for `accept`; more are refused. */
  readonly acceptBacklog: number
}

/** A peer's place in the tree. */
export interface PeerPlace extends Lookable {
  readonly name: string
  readonly branch: Branch
  /** The endpoint is being closed: makes no more connections. */
  retire(): void
}

export class EndpointActor implements ConnectionHost {
  readonly verifier: CertificateVerifierShape
  readonly keyLog: ((line: string) => void) | undefined
  /** The loop's fiber, and everything that grows from it. */
  readonly branch: Branch
  /** Established incoming connections that nobody has accepted yet. */
  readonly incoming: Array<ConnectionActor> = []
  readonly incomingChanged = new WaitList()
  /** Those that live on this endpoint. */
  readonly peers = new Set<PeerPlace>()
  isClosed = false
  private readonly acceptBacklog: number
  readonly openSocket: ConnectionHost["openSocket"]
  readonly core: Endpoint
  readonly sinceMicros: number
  private readonly runFork: RunFork
  private readonly sockets: SocketTable
  private readonly clock: Clock.Clock
  /** Those that nobody has answered yet, for all that is known. */
  private readonly dialing = new Set<ConnectionActor>()
  private readonly actors = new Map<Connection, ConnectionActor>()
  private readonly served = new Set<ConnectionActor>()
  private readonly deadlines = new DeadlineHeap<ConnectionActor>()
  private readonly gate = new DeadlineGate()
  private beginnings = 0
  private readonly nextTurn = new WaitList()
  private dirty: Array<ConnectionActor> = []
  /** Those with a path whose socket takes nothing at the moment. */
  private readonly heldBack = new Set<ConnectionActor>()
  private readonly buffer: Uint8Array
  private wake: (() => void) | undefined = undefined
  private isAwake = false
  private timer: Fiber.Fiber<unknown> | undefined = undefined
  private armedForMicros = Number.POSITIVE_INFINITY
  private nowMicros = 0

  constructor(
    config: EndpointConfig,
    { socket, clock, verifier, keyLog, runFork, openSocket, acceptBacklog }: EndpointSurroundings
  ) {
    this.core = new Endpoint(config)
    if (this.core.incoming !== undefined) this.core.incoming.isDeferred = true
    this.clock = clock
    this.verifier = verifier
    this.keyLog = keyLog
    this.runFork = runFork
    this.acceptBacklog = acceptBacklog
    this.openSocket = (...where) => openSocket(this, ...where)
    this.buffer = new Uint8Array(socket.capabilities.maxDatagramSize)
    this.sockets = new SocketTable(socket, (bytes, from, ecn, socket, boundSocket) =>
      this.onDatagram(bytes, from, ecn, socket, boundSocket)
    )
    this.listen(socket)
    this.sinceMicros = this.now()
    this.branch = new Branch(runFork).fork(this.run, (cause) => {
      this.report("the endpoint broke", cause)
      this.shutdown()
    })
  }

  readonly now = (): number => Number(this.clock.monotonicTimeNanosUnsafe()) / 1000

  /** Those alive, and those whose handlers are still at work. */
  get visible(): Iterable<ConnectionActor> {
    return new Set([...this.actors.values(), ...this.served])
  }

  get connections(): Iterable<ConnectionActor> {
    return this.actors.values()
  }

  /** The one that new connections leave by. */
  get socket(): UdpSocket {
    return this.sockets.main.socket
  }

  /** Takes a socket into the loop, and returns the number that routes know it by. */
  addSocket(socket: UdpSocket): number {
    const { number } = this.sockets.add(socket)
    this.listen(socket)
    return number
  }

  private listen(socket: UdpSocket): void {
    socket.onReadable(() => this.ring())
    socket.onRefused((to, problem, isLasting) => {
      for (const actor of this.dialing) actor.onSendRefused(to, problem, isLasting)
    })
  }

  /** Makes `socket` the one of every connection that may leave the old one; returns the number of the old one. */
  rebind(socket: UdpSocket): number {
    const { sockets } = this
    const before = sockets.main.number
    sockets.main = sockets.add(socket)
    this.listen(socket)
    for (const actor of this.actors.values()) {
      for (const path of actor.core.paths) {
        const leaves = path.routes.current.socket === before || path.migration.awaited === before
        if (leaves && whyUnreachable(socket.localAddress, path.remote) === undefined)
          actor.core.rebind(sockets.main.number, this.now(), path)
      }
      this.touch(actor)
    }
    return before
  }

  /** Whether a route of any path of any connection leaves by this socket. */
  usesSocket(number: number): boolean {
    const { sockets } = this
    if (number === sockets.main.number) return true
    for (const { core } of this.actors.values())
      for (const socket of core.paths.sockets) if (sockets.at(socket).socketNumber === number) return true
    return false
  }

  /** Which address of ours has that number; a closed socket's place is taken by the present one. */
  addressOf(number: number): SocketAddress {
    const { from, socket } = this.sockets.at(number)
    return from ?? socket.localAddress
  }

  get socketCount(): number {
    return this.sockets.count
  }

  /** Armed for the earliest deadline, which may have moved on meanwhile. */
  get hasTimer(): boolean {
    return this.timer !== undefined
  }

  removeSocket(number: number): void {
    this.sockets.remove(number)
  }

  connect(
    remote: SocketAddress,
    tls: TlsSettings,
    transport: TransportSettings,
    memory: ClientMemory,
    notes: ServerNotes,
    peer?: PeerPlace
  ): ConnectionActor {
    const core = this.core.connect(remote, tls, transport, this.now(), memory, this.sockets.main.number)
    const actor = this.adopt(core, notes, peer)
    this.dialing.add(actor)
    this.touch(actor)
    return actor
  }

  /** A checkpoint for whoever is about to `connect`. */
  readonly mayBegin: Effect.Effect<void> = Effect.suspend(() => {
    if (this.isClosed || this.beginnings++ < BEGINNINGS_A_TURN) return Effect.void
    this.ring()
    return this.nextTurn.parkThen(this.mayBegin)
  })

  touch(actor: ConnectionActor): void {
    if (!actor.isDirty) {
      actor.isDirty = true
      this.dirty.push(actor)
    }
    this.ring()
  }

  onEstablished(actor: ConnectionActor): void {
    if (actor.core.config.role === "client") return void this.dialing.delete(actor)
    if (this.incoming.length >= this.acceptBacklog) {
      actor.core.refuse("too many connections wait", this.now())
      return this.touch(actor)
    }
    this.incoming.push(actor)
    this.incomingChanged.wakeAll()
  }

  onDrained(actor: ConnectionActor): void {
    this.core.forget(actor.core)
    this.actors.delete(actor.core)
    this.dialing.delete(actor)
    this.deadlines.remove(actor)
    this.heldBack.delete(actor)
  }

  onServed(actor: ConnectionActor, isServed: boolean): void {
    if (isServed) this.served.add(actor)
    else this.served.delete(actor)
  }

  /** Takes no more connections. */
  stopAccepting(): void {
    if (this.core.incoming !== undefined) this.core.incoming.accepting = false
  }

  /** The loop; it ends only by interruption. */
  private readonly run: Effect.Effect<never> = Effect.forever(
    Effect.flatMap(
      Effect.callback<void>((resume) => {
        if (this.isAwake) return resume(Effect.void)
        this.wake = () => resume(Effect.void)
        return Effect.sync(() => {
          this.wake = undefined
        })
      }),
      // other ready fibers go first: what they write leaves in the same turn
      () => Effect.andThen(Effect.yieldNow, this.turn)
    ),
    { disableYield: true }
  )

  /** Sends what can be sent at once, and lets go of everything. */
  shutdown(): void {
    this.isClosed = true
    this.turnNow()
    this.timer?.interruptUnsafe()
    this.timer = undefined
    for (const actor of [...this.actors.values()]) {
      this.onDrained(actor)
      actor.abandon()
    }
    this.incoming.length = 0
    this.incomingChanged.wakeAll()
    this.nextTurn.wakeAll()
    this.sockets.clear()
  }

  private ring(): void {
    this.isAwake = true
    const { wake } = this
    this.wake = undefined
    wake?.()
  }

  private readonly turn = Effect.sync(() => this.turnNow())

  private turnNow(): void {
    this.isAwake = false
    const { core, sockets } = this
    this.nowMicros = this.now()
    const handshakes = core.incoming
    if (handshakes !== undefined) handshakes.isFull = this.incoming.length >= this.acceptBacklog
    const received = sockets.drain(RECEIVE_BURST)
    for (let i = 0; i < STRANGERS_A_TURN && handshakes?.hasWaiting === true; i++) this.drive(this.admitNext)
    const mayFire = this.gate.mayFire(received, this.nowMicros - this.deadlines.earliestMicros)
    this.fireDeadlines(mayFire)
    if (this.sendReplies()) sockets.flush()
    this.resumeHeldBack()
    for (let round = 0; round < ROUNDS && this.dirty.length > 0; round++) {
      const serving = this.dirty
      this.dirty = []
      for (const actor of serving) this.contain(actor.core, () => this.serve(actor))
      sockets.flush()
      for (const actor of serving) this.contain(actor.core, () => actor.settle())
    }
    this.beginnings = 0
    this.nextTurn.wakeFirst(BEGINNINGS_A_TURN)
    const hasWaiting = handshakes?.hasWaiting === true || this.nextTurn.size > 0
    const more = received === RECEIVE_BURST || hasWaiting || !mayFire
    if (more || this.dirty.length > 0) this.ring()
    this.arm(this.deadlines.earliestMicros)
  }

  /** Sends what belongs to no connection; returns whether there was any. */
  private sendReplies(): boolean {
    const { core } = this
    let reply = core.pollReply()
    const had = reply !== undefined
    for (; reply !== undefined; reply = core.pollReply()) {
      const { from, socket } = this.sockets.at(reply.socket)
      socket.send(reply.bytes, 0, reply.bytes.length, reply.to, 0, from)
    }
    return had
  }

  private onDatagram(
    bytes: Uint8Array,
    from: SocketAddress,
    ecn: EcnCodepoint,
    socket: SocketNumber,
    boundSocket: SocketNumber
  ): void {
    this.drive(() => this.core.handleDatagram(bytes, from, ecn, this.nowMicros, socket, boundSocket))
    for (let woken = this.core.woken.pop(); woken !== undefined; woken = this.core.woken.pop())
      this.markDirty(this.actors.get(woken)!)
  }

  private readonly admitNext = (): Connection | undefined => this.core.incoming?.admit(this.nowMicros)

  /** Whatever connection the core had `work` for is served, a new one for the first time. */
  private drive(work: () => Connection | undefined): void {
    try {
      const connection = work()
      const actor = connection && this.actorOf(connection)
      if (actor !== undefined) this.markDirty(actor)
    } catch (defect) {
      const { handling } = this.core
      if (handling !== undefined) this.actorOf(handling)
      this.onDefect(handling, defect)
    }
  }

  /** A new one for a new connection; none for what was over with its first datagrams, and never came to be. */
  private actorOf(connection: Connection): ConnectionActor | undefined {
    const isNew = !this.actors.has(connection) && this.core.connections.has(connection)
    return isNew ? this.adopt(connection) : this.actors.get(connection)
  }

  /** A defect, of ours or of what the application has plugged in, ends the connection it shows in and no other. */
  private contain(core: Connection, work: () => void): void {
    try {
      work()
    } catch (defect) {
      this.onDefect(core, defect)
    }
  }

  /** The peer is told INTERNAL_ERROR when the connection is still able to say that. */
  private onDefect(core: Connection | undefined, defect: unknown): void {
    const what = core === undefined ? "a stranger's datagram could not be handled" : "a connection broke"
    this.report(what, Cause.die(defect))
    const actor = core && this.actors.get(core)
    if (core === undefined || actor === undefined) return core?.abandon(BROKEN)
    try {
      if (core.lifecycle.isOpen) core.crash(BROKEN, this.nowMicros)
      else core.abandon(BROKEN)
    } catch {
      core.abandon(BROKEN)
    }
    this.markDirty(actor)
  }

  report(what: string, cause: Cause.Cause<unknown>): void {
    this.runFork(Effect.logError(what, cause))
  }

  /** Unless they may fire, deadlines are only a reason to send: what is paced does not wait. */
  private fireDeadlines(mayFire: boolean): void {
    const { deadlines, nowMicros } = this
    for (let actor = deadlines.popDue(nowMicros); actor !== undefined; actor = deadlines.popDue(nowMicros)) {
      const { core } = actor
      if (mayFire) this.contain(core, () => core.handleTimeout(nowMicros))
      this.markDirty(actor)
    }
  }

  /** Sends what one connection has, a burst at most, and sets its next deadline. */
  private serve(actor: ConnectionActor): void {
    const { core } = actor
    const { buffer, nowMicros } = this
    const { transmit } = core
    actor.isDirty = false
    let sent = 0
    for (; sent < SEND_BURST; sent++) {
      const end = core.pollTransmit(buffer, 0, nowMicros, this.isCongested)
      if (end === 0) break
      const { socket, from } = this.sockets.at(transmit.socket)
      socket.send(buffer, 0, end, transmit.remote, transmit.ecn, from)
    }
    const isHeldBack = core.paths.areHeldBack(this.isCongested)
    if (sent === SEND_BURST) this.markDirty(actor)
    else if (isHeldBack && !actor.isDrained) this.heldBack.add(actor)
    this.core.routeIds(core)
    const due = core.timeout(nowMicros)
    // what is due now and was not sent waits for the socket, which wakes the loop
    this.deadlines.set(actor, isHeldBack && due <= nowMicros ? nowMicros + CONGESTED_MICROS : due)
  }

  private readonly isCongested = (socket: SocketNumber): boolean => this.sockets.at(socket).socket.congested

  /** Serves again those whose socket has room again. */
  private resumeHeldBack(): void {
    for (const actor of this.heldBack)
      if (!actor.core.paths.areHeldBack(this.isCongested)) {
        this.heldBack.delete(actor)
        this.markDirty(actor)
      }
  }

  private markDirty(actor: ConnectionActor): void {
    if (actor.isDirty) return
    actor.isDirty = true
    this.dirty.push(actor)
  }

  private adopt(connection: Connection, notes?: ServerNotes, peer?: PeerPlace): ConnectionActor {
    const actor = new ConnectionActor(connection, this, notes, peer)
    this.actors.set(connection, actor)
    return actor
  }

  /** One timer for all deadlines, moved only to an earlier one: a late firing finds nothing due and costs little. */
  private arm(deadlineMicros: number): void {
    if (deadlineMicros >= this.armedForMicros || this.isClosed) return
    this.timer?.interruptUnsafe()
    this.armedForMicros = deadlineMicros
    const delay = Math.max(0, deadlineMicros - this.nowMicros)
    this.timer = this.runFork(
      Effect.flatMap(this.clock.sleep(Duration.micros(BigInt(Math.ceil(delay)))), () =>
        Effect.sync(() => {
          this.armedForMicros = Number.POSITIVE_INFINITY
          this.timer = undefined
          this.ring()
        })
      )
    )
  }
}
