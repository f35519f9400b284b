/**
 * The data plane of an endpoint. A turn reads a burst of datagrams from the sockets, drives their connections, fires
 * expired deadlines, sends the results in one batch, and only then wakes waiting fibers.
 *
 * It owns the sockets, the deadlines of all connections with one timer for the earliest, and the list of connections to
 * serve. A turn is synchronous: interruption happens between turns, so no connection is ever seen half-driven. A defect
 * in a turn closes the connection it occurs in, and no other.
 */
import * as Cause from "effect/Cause"
import type * as Clock from "effect/Clock"
import type * as Effect from "effect/Effect"
import type { EcnCodepoint, UdpSocket } from "../capability/UdpPort.ts"
import type { Connection } from "../connection/Connection.ts"
import { DeadlineGate } from "../endpoint/DeadlineGate.ts"
import { DeadlineHeap } from "../internal/DeadlineHeap.ts"
import type { Endpoint } from "../endpoint/Endpoint.ts"
import type { IncomingHandshakes } from "../endpoint/IncomingHandshakes.ts"
import type { SocketNumber } from "../path/Route.ts"
import type { SocketAddress } from "../wire/SocketAddress.ts"
import type { AcceptQueue } from "./AcceptQueue.ts"
import type { RunFork } from "./Branch.ts"
import type { ConnectionActor, LoopEntry } from "./ConnectionActor.ts"
import type { ConnectionTable } from "./ConnectionTable.ts"
import { ConnectPacer } from "./ConnectPacer.ts"
import { DeadlineTimer } from "./DeadlineTimer.ts"
import { LoopSignal } from "./LoopSignal.ts"
import { type Place, SocketTable } from "./SocketTable.ts"
import { aboutConnection, type LogAnnotations } from "./logAnnotations.ts"

/** Datagrams read per socket and turn; the rest waits for the next turn. */
const RECEIVE_BURST = 256
/** Datagrams one connection sends before the next is served. */
const SEND_BURST = 64
/** Strangers admitted per turn: each takes a few milliseconds. */
const STRANGERS_PER_TURN = 1
/** Retry interval for a congested socket that has not signalled room. */
const CONGESTED_MICROS = 10_000
/** The reason sent to the peer of a connection with a defect. */
const BROKEN = "a defect, which is in the log"
/** Rounds of waking fibers and sending what they write, before the loop yields. */
const ROUNDS = 4

/** What the loop needs of its endpoint. */
export interface LoopHost {
  readonly core: Endpoint
  readonly connections: ConnectionTable
  readonly accepting: AcceptQueue
  readonly now: () => number
  /** Creates the actor of a connection that the core has created. */
  adopt(connection: Connection): ConnectionActor
  report(what: string, cause: Cause.Cause<unknown>, about?: LogAnnotations): void
}

export class EndpointLoop {
  readonly sockets: SocketTable
  readonly pacer = new ConnectPacer(() => this.ring())
  /** Counts up when a turn begins and when it ends: what was read before may have changed. */
  turns = 0
  private readonly host: LoopHost
  private readonly core: Endpoint
  private readonly connections: ConnectionTable
  private readonly signal = new LoopSignal()
  private readonly timer: DeadlineTimer
  private readonly deadlines = new DeadlineHeap<LoopEntry>()
  private readonly gate = new DeadlineGate()
  private dirty: Array<ConnectionActor> = []
  /** Connections with a path whose socket is congested. */
  private readonly blocked = new Set<ConnectionActor>()
  private nowMicros = 0
  private isInTurn = false

  constructor(host: LoopHost, socket: UdpSocket, clock: Clock.Clock, runFork: RunFork) {
    this.host = host
    this.core = host.core
    this.connections = host.connections
    this.timer = new DeadlineTimer(clock, runFork, () => this.onTimer())
    this.sockets = new SocketTable(socket, (bytes, from, ecn, local, at) =>
      this.onDatagram(bytes, from, ecn, local, at)
    )
    this.listen(socket)
  }

  /** Runs turns until interrupted. */
  get run(): Effect.Effect<never> {
    return this.signal.forever(() => this.turn())
  }

  addSocket(socket: UdpSocket): Place {
    const place = this.sockets.add(socket)
    this.listen(socket)
    return place
  }

  private listen(socket: UdpSocket): void {
    socket.onReadable((atOnce) => this.signal.ring(atOnce))
    socket.onRefused((to, problem, isLasting) => this.connections.onSendRefused(to, problem, isLasting))
  }

  /** Serves the connection in the next turn. */
  touch(actor: ConnectionActor): void {
    this.markDirty(actor)
    // a turn sees itself what became dirty during it
    if (!this.isInTurn) this.ring()
  }

  remove(actor: ConnectionActor): void {
    this.deadlines.remove(actor.entry)
    this.blocked.delete(actor)
    // its handshake may have kept a client waiting
    if (this.core.incoming?.hasWaiting === true) this.ring()
  }

  get hasTimer(): boolean {
    return this.timer.isArmed
  }

  /** The last turn: sends what can be sent at once. */
  stop(): void {
    this.timer.stop()
    this.turn()
  }

  private ring(): void {
    this.signal.ring()
  }

  private turn(): void {
    this.signal.clear()
    this.isInTurn = true
    this.turns++
    const { core, sockets, pacer } = this
    this.nowMicros = this.host.now()
    const handshakes = core.incoming
    if (handshakes !== undefined) handshakes.isFull = this.host.accepting.isFull
    const received = sockets.drain(RECEIVE_BURST)
    if (handshakes !== undefined) this.admit(handshakes)
    const mayFire = this.gate.mayFire(received, this.nowMicros - this.deadlines.earliestMicros)
    this.fireDeadlines(mayFire)
    if (this.sendReplies()) sockets.flush()
    this.resumeBlocked()
    for (let round = 0; round < ROUNDS && this.dirty.length > 0; round++) {
      const serving = this.dirty
      this.dirty = []
      for (const actor of serving) {
        // a verdict that takes no time goes out with the acknowledgments of what it is about
        if (actor.core.handshake.awaitsVerdict) this.settle(actor)
        this.serve(actor)
      }
      sockets.flush()
      for (const actor of serving) this.settle(actor)
    }
    this.isInTurn = false
    this.turns++
    pacer.nextTurn()
    const hasWaiting = handshakes?.hasWaiting === true || pacer.hasWaiting
    const more = received === RECEIVE_BURST || hasWaiting || !mayFire
    if (more || this.dirty.length > 0) this.ring()
    this.timer.arm(this.deadlineMicros, this.nowMicros)
  }

  private get deadlineMicros(): number {
    const refusalMicros = this.core.incoming?.deadlineMicros ?? Number.POSITIVE_INFINITY
    return Math.min(this.deadlines.earliestMicros, refusalMicros)
  }

  /** What it was armed for may be later now: an acknowledgment has arrived, say. Then there is no turn. */
  private onTimer(): void {
    const nowMicros = this.host.now()
    const due = this.deadlineMicros
    if (due <= nowMicros) this.ring()
    else this.timer.arm(due, nowMicros)
  }

  private admit(handshakes: IncomingHandshakes): void {
    const { nowMicros } = this
    for (let i = 0; i < STRANGERS_PER_TURN; i++)
      if (handshakes.hasWaiting || handshakes.deadlineMicros <= nowMicros)
        this.drive(() => handshakes.admit(nowMicros))
  }

  /** Sends stateless replies; returns whether there were any. */
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
    local: SocketNumber,
    socket: SocketNumber
  ): void {
    const { core } = this
    // one call per datagram: no closure, unlike `drive`
    try {
      this.onDriven(core.handleDatagram(bytes, from, ecn, this.nowMicros, local, socket))
    } catch (defect) {
      this.onDriveDefect(defect)
    }
    while (core.woken.length > 0) this.markDirty(this.connections.get(core.woken.pop()!)!)
  }

  /** Serves the connection, possibly a new one, that `work` in the core returns. */
  private drive(work: () => Connection | undefined): void {
    try {
      this.onDriven(work())
    } catch (defect) {
      this.onDriveDefect(defect)
    }
  }

  private onDriven(connection: Connection | undefined): void {
    const actor = connection && this.actorOf(connection)
    if (actor !== undefined) this.markDirty(actor)
  }

  private onDriveDefect(defect: unknown): void {
    const { handling } = this.core
    if (handling !== undefined) this.actorOf(handling)
    this.onDefect(handling, defect)
  }

  /** The actor of a connection, created if new; undefined for one closed by its first datagrams. */
  private actorOf(connection: Connection): ConnectionActor | undefined {
    const known = this.connections.get(connection)
    return known === undefined && this.core.connections.has(connection) ? this.host.adopt(connection) : known
  }

  /** Closes the connection with INTERNAL_ERROR if it is still able to send that. */
  private onDefect(core: Connection | undefined, defect: unknown): void {
    const what = core === undefined ? "a stranger's datagram could not be handled" : "a connection broke"
    const actor = core && this.connections.get(core)
    this.host.report(what, Cause.die(defect), actor && aboutConnection(actor))
    if (core === undefined || actor === undefined) return core?.abandon(BROKEN)
    try {
      if (core.lifecycle.isOpen) core.crash(BROKEN, this.nowMicros)
      else core.abandon(BROKEN)
    } catch {
      core.abandon(BROKEN)
    }
    this.markDirty(actor)
  }

  /** While deadlines may not fire, due connections are still served: paced packets do not wait. */
  private fireDeadlines(mayFire: boolean): void {
    const { deadlines, nowMicros } = this
    for (let due = deadlines.popDue(nowMicros); due !== undefined; due = deadlines.popDue(nowMicros)) {
      if (mayFire) this.timeOut(due.actor.core)
      this.markDirty(due.actor)
    }
  }

  // A defect, in our code or the application's, closes the connection it occurs in and no other.

  private timeOut(core: Connection): void {
    try {
      core.handleTimeout(this.nowMicros)
    } catch (defect) {
      this.onDefect(core, defect)
    }
  }

  private settle(actor: ConnectionActor): void {
    try {
      actor.settle()
    } catch (defect) {
      this.onDefect(actor.core, defect)
    }
  }

  private serve(actor: ConnectionActor): void {
    try {
      this.serveOne(actor)
    } catch (defect) {
      this.onDefect(actor.core, defect)
    }
  }

  /** Sends a burst of one connection at most, and sets its next deadline. */
  private serveOne(actor: ConnectionActor): void {
    const { core, entry } = actor
    const { nowMicros } = this
    entry.isDirty = false
    const sent = this.sendBurst(core)
    const isHeldBack = core.paths.areHeldBack(this.isCongested)
    if (sent === SEND_BURST) this.markDirty(actor)
    else if (isHeldBack && !actor.signals.isDrained) this.blocked.add(actor)
    this.core.routeIds(core)
    const due = core.timeout(nowMicros)
    // something is due but was not sent: it waits for the socket, which wakes the loop
    this.deadlines.set(entry, isHeldBack && due <= nowMicros ? nowMicros + CONGESTED_MICROS : due)
  }

  /** Writes datagrams where their socket sends them from, as far as the socket of one is that of the one before. */
  private sendBurst(core: Connection): number {
    const { nowMicros, sockets } = this
    const { transmit } = core
    const largest = core.paths.largestBytes(nowMicros)
    let number = transmit.socket
    let place = sockets.at(number)
    for (let sent = 0; sent < SEND_BURST; sent++) {
      const { socket } = place
      const start = socket.reserve(largest)
      const { buffer } = socket
      const isNext = sent > 0 && !socket.congested
      const end = core.pollTransmit(buffer, start, nowMicros, this.isCongested, isNext)
      if (end === start) return sent
      const { remote, ecn } = transmit
      if (transmit.socket !== number) {
        number = transmit.socket
        place = sockets.at(number)
      }
      if (place.socket === socket) socket.commit(end, remote, ecn, place.from)
      else place.socket.send(buffer, start, end, remote, ecn, place.from)
    }
    return SEND_BURST
  }

  private readonly isCongested = (socket: SocketNumber): boolean => this.sockets.at(socket).socket.congested

  /** Serves connections whose socket has room again. */
  private resumeBlocked(): void {
    for (const actor of this.blocked)
      if (!actor.core.paths.areHeldBack(this.isCongested)) {
        this.blocked.delete(actor)
        this.markDirty(actor)
      }
  }

  private markDirty(actor: ConnectionActor): void {
    const { entry } = actor
    if (entry.isDirty) return
    entry.isDirty = true
    this.dirty.push(actor)
  }
}
