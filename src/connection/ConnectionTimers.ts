import { TransportError, TransportErrorCode } from "../wire/TransportError.ts"
import type { ConnectionParts } from "./ConnectionParts.ts"
import type { ConnectionPath } from "./ConnectionPath.ts"
import type { DatagramBuilder } from "./DatagramBuilder.ts"
import { CHANGED_ID, type Discards } from "./Discards.ts"
import { silentClose } from "./lifecycle.ts"
import { repeatInFlight } from "./repeatInFlight.ts"
import { settleLost } from "./settleLost.ts"

/** A handshake with such a peer ends after this many consecutive PTOs without an acceptable packet. */
const FATAL_TIMEOUTS = 2

/** A client then looks for another way to its server: one PTO more than a burst of loss takes. */
const UNANSWERED_TIMEOUTS = 3

/** That many consecutive PTOs without an ACK, on a route that the path is not about to leave. */
export const isUnanswered = ({ recovery, routes }: ConnectionPath): boolean =>
  recovery.ptoCount >= UNANSWERED_TIMEOUTS && !routes.isMoving

/** The deadlines of a connection and what happens at each. There is one timer: the earliest. */
export class ConnectionTimers {
  /** When the handshake timeout started: with the first datagram sent. */
  startedAtMicros: number
  private readonly parts: ConnectionParts
  private readonly discards: Discards
  private readonly builder: DatagramBuilder

  constructor(parts: ConnectionParts, discards: Discards, builder: DatagramBuilder, nowMicros: number) {
    this.parts = parts
    this.discards = discards
    this.builder = builder
    this.startedAtMicros = nowMicros
  }

  /** When `fire` is due; Infinity for never. */
  deadline(nowMicros: number): number {
    const { lifecycle, paths, closer, frames, idle, datagrams, multipath } = this.parts
    if (lifecycle.state === "closed") return Number.POSITIVE_INFINITY
    if (!lifecycle.isOpen) return closer.deadlineMicros
    const pto = paths.ptoMicros
    let deadline = Math.min(idle.deadline(pto), this.handshakeDeadline, datagrams.deadlineMicros)
    if (!frames.ping.hasFrames())
      deadline = Math.min(deadline, this.keepAliveDeadline(pto), this.inquiryDeadline(pto))
    deadline = Math.min(deadline, this.stallDeadline(pto))
    if (multipath.keepAlive !== undefined) deadline = Math.min(deadline, multipath.keepAlive.deadlineMicros)
    deadline = Math.min(deadline, this.parts.traversal.deadlineMicros)
    for (const path of paths.all) deadline = Math.min(deadline, this.pathDeadline(path, pto, nowMicros))
    return deadline
  }

  private pathDeadline(path: ConnectionPath, ptoMicros: number, nowMicros: number): number {
    const { silence } = this.parts.multipath
    let deadline = path.deadline()
    if (silence !== undefined)
      deadline = Math.min(deadline, silence.unansweredDeadline(path), silence.deadline(path, ptoMicros))
    // the ACKs of an abandoned path are sent on others: while none may send, their deadline is nobody's
    if (path.status.isEnding && this.parts.paths.mayCarryAcks)
      deadline = Math.min(deadline, path.ackDeadlineMicros)
    if (!path.status.isOpen) return deadline
    if (this.builder.hasData(path)) deadline = Math.min(deadline, path.recovery.nextSendMicros(nowMicros))
    if (!this.parts.handshake.confirmed) return deadline
    // an overdue probe is sent as soon as congestion control has room for one
    if (path.mtu.deadlineMicros > nowMicros) deadline = Math.min(deadline, path.mtu.deadlineMicros)
    return Math.min(deadline, path.rotation.deadlineMicros)
  }

  /**
   * Before the handshake is confirmed, a client whose server falls silent may have no PTO (RFC 9002 §6.2.1 #3): without
   * an idle timeout, only this ends it.
   */
  private get handshakeDeadline(): number {
    const { config, lifecycle, handshake, idle } = this.parts
    const timeoutMicros = config.transport.handshakeTimeoutMillis * 1000
    if (lifecycle.state === "handshaking") return this.startedAtMicros + timeoutMicros
    if (handshake.confirmed || !idle.isDisabled) return Number.POSITIVE_INFINITY
    return idle.lastActivity + timeoutMicros
  }

  private keepAliveDeadline(ptoMicros: number): number {
    const { config, lifecycle, idle } = this.parts
    const { keepAliveIntervalMillis } = config.transport
    return lifecycle.state === "handshaking" || keepAliveIntervalMillis === 0
      ? Number.POSITIVE_INFINITY
      : idle.keepAliveAt(keepAliveIntervalMillis * 1000, ptoMicros)
  }

  /** Before the handshake is confirmed, the PTO sees to it that a client does not wait in silence. RFC 9002 §6.2.2.1 */
  private inquiryDeadline(ptoMicros: number): number {
    const { awaited, handshake, idle } = this.parts
    return handshake.confirmed ? awaited.deadline(idle, ptoMicros) : Number.POSITIVE_INFINITY
  }

  /** RFC 9000 §4.1: applies only while nothing is in flight or about to be sent. */
  private stallDeadline(ptoMicros: number): number {
    const { paths, streams, lifecycle, idle } = this.parts
    const { isBlocked, isPeerBlocked } = streams.stall
    if (lifecycle.state !== "established" || (!isBlocked && !isPeerBlocked)) return Number.POSITIVE_INFINITY
    if (paths.hasInFlight || streams.hasFrames() || !paths.maySend) return Number.POSITIVE_INFINITY
    return idle.stallDeadline(isBlocked, ptoMicros)
  }

  /** Runs what is due. */
  fire(nowMicros: number): void {
    const {
      lifecycle,
      idle,
      paths,
      closer,
      config,
      frames,
      streams,
      handshake,
      datagrams,
      awaited,
      multipath
    } = this.parts
    if (lifecycle.state === "closed") return
    if (!lifecycle.isOpen) return closer.onTimeout(nowMicros)
    const pto = paths.ptoMicros
    if (nowMicros >= idle.deadline(pto)) return closer.discard(silentClose("idleTimeout"))
    if (nowMicros >= this.handshakeDeadline)
      return paths.active.traffic.datagramsSent === 0
        ? closer.discard(silentClose("handshakeTimeout"))
        : closer.giveUp(nowMicros, config.role === "server")
    if (nowMicros >= this.keepAliveDeadline(pto)) frames.ping.request()
    if (!frames.ping.hasFrames() && nowMicros >= this.inquiryDeadline(pto)) {
      frames.ping.request()
      awaited.onPing()
    }
    datagrams.expire(nowMicros)
    multipath.keepAlive?.look(nowMicros)
    this.parts.traversal.onTimeout(nowMicros)
    if (nowMicros >= this.stallDeadline(pto)) streams.stall.repeatFrames()
    for (const path of [...paths]) {
      if (handshake.confirmed && path.status.isOpen && nowMicros >= path.rotation.deadlineMicros)
        path.rotateIds(nowMicros)
      if (multipath.silence?.onTimeout(path, nowMicros, pto) === true) multipath.giveUp(path, nowMicros)
      if (nowMicros >= path.deadline()) this.firePath(path, nowMicros)
    }
  }

  private firePath(path: ConnectionPath, nowMicros: number): void {
    const { parts } = this
    const { recovery } = path
    if (nowMicros >= recovery.deadlineMicros()) {
      const { kind, space, probes } = recovery.onTimeout(nowMicros)
      if (kind === "loss") settleLost(parts, path, recovery.lost, nowMicros)
      if (kind === "probe") {
        path.probes[space] = probes
        path.onProbeTimeout(nowMicros)
        repeatInFlight(parts.frames, path)
        parts.multipath.silence?.onProbeTimeout(path, nowMicros)
        if (parts.config.role === "client" && parts.handshake.confirmed && isUnanswered(path))
          parts.events.push({ _tag: "unanswered" })
        if (parts.lifecycle.state === "handshaking" && recovery.ptoCount >= FATAL_TIMEOUTS)
          this.endIfPeerChangedId(nowMicros)
      }
    }
    path.localIds.sweep(nowMicros)
    if (nowMicros >= path.migration.deadlineMicros) path.migration.onTimeout(nowMicros)
    parts.multipath.onTimeout(path, nowMicros)
  }

  /**
   * Ends a handshake in which everything the peer sends MUST be discarded. The first such packet is not enough: anyone
   * who has seen the client's Initial can forge it. RFC 9000 §7.2 #3 #6
   */
  private endIfPeerChangedId(nowMicros: number): void {
    if (!this.discards.has(CHANGED_ID)) return
    const reason = `the peer changed its connection ID in the handshake; discarded packets: ${this.discards.summary}`
    this.parts.closer.closeWithError(
      new TransportError(TransportErrorCode.PROTOCOL_VIOLATION, reason),
      nowMicros
    )
  }
}
