import type { SocketNumber } from "../path/Route.ts"
import type { Ecn } from "../recovery/ReceivedPackets.ts"
import type { SocketAddress } from "../wire/SocketAddress.ts"
import type { ConnectionParts } from "./ConnectionParts.ts"
import type { ConnectionPath } from "./ConnectionPath.ts"
import type { ConnectionTimers } from "./ConnectionTimers.ts"
import type { DatagramBuilder } from "./DatagramBuilder.ts"

/** Where to send a datagram: a reused record. */
export interface Transmit {
  remote: SocketAddress
  socket: SocketNumber
  ecn: Ecn
}

/** Which local sockets take nothing now. */
export type IsCongested = (socket: SocketNumber) => boolean

/** Decides what the next datagram is, and where it is sent. */
export class Transmitter {
  /** Where to send the datagram that `poll` wrote last. */
  readonly transmit: Transmit
  private readonly parts: ConnectionParts
  private readonly builder: DatagramBuilder
  private readonly timers: ConnectionTimers

  constructor(
    parts: ConnectionParts,
    builder: DatagramBuilder,
    timers: ConnectionTimers,
    { remote, socket }: { readonly remote: SocketAddress; readonly socket: SocketNumber }
  ) {
    this.parts = parts
    this.builder = builder
    this.timers = timers
    this.transmit = { remote, socket, ecn: 0 }
  }

  /** As `Connection.pollTransmit`. */
  poll(
    buffer: Uint8Array,
    start: number,
    nowMicros: number,
    isCongested: IsCongested,
    isNext: boolean
  ): number {
    const { transmit, builder } = this
    const { lifecycle, closer, datagrams, multipath, traversal } = this.parts
    if (lifecycle.state === "closing" ? !closer.pending : !lifecycle.isOpen) return start
    const next = isNext ? builder.buildNext(buffer, start, nowMicros) : start
    transmit.ecn = builder.ecn
    if (next > start) return next
    datagrams.expire(nowMicros)
    if (traversal.offPath !== undefined && lifecycle.isOpen) {
      const end = this.pollOffPath(buffer, start, nowMicros, isCongested)
      if (end > start) return end
    }
    const { order } = multipath
    const paths = order.order(nowMicros)
    for (let i = 0; i < paths.length; i++) {
      const end = this.pollPath(paths[i], buffer, start, nowMicros, isCongested)
      if (end > start) order.onSent(paths[i])
      if (end > start || !(lifecycle.isOpen || closer.pending)) return end
    }
    return start
  }

  private pollPath(
    path: ConnectionPath,
    buffer: Uint8Array,
    start: number,
    nowMicros: number,
    isCongested: IsCongested
  ): number {
    const { builder, transmit, parts } = this
    const probing = parts.lifecycle.isOpen ? path.routes.probing : undefined
    if (probing !== undefined && !isCongested(probing.socket)) {
      this.direct(probing)
      const end = builder.buildProbe(buffer, start, path, probing, nowMicros)
      if (end > start) return end
    }
    const { current } = path.routes
    if (isCongested(current.socket)) return start
    if (parts.handshake.confirmed && path.isRotationDue(nowMicros)) path.rotateIds(nowMicros)
    this.direct(current)
    const end = builder.build(buffer, start, path, nowMicros)
    transmit.ecn = builder.ecn
    // the client may have spent time before that on other connections, which does not count against the server
    if (end > start && path === parts.paths.active && path.traffic.datagramsSent === 1)
      this.timers.startedAtMicros = nowMicros
    parts.closer.onCloseSent()
    if (end === start && path.mayElicit(nowMicros)) path.recovery.onAppLimited()
    return end
  }

  /** A challenge, or an answer to one, at addresses that no path uses. */
  private pollOffPath(
    buffer: Uint8Array,
    start: number,
    nowMicros: number,
    isCongested: IsCongested
  ): number {
    const { traversal, paths } = this.parts
    const { offPath } = traversal
    let entry = offPath!.next(nowMicros)
    for (; entry !== undefined; entry = offPath!.next(nowMicros)) {
      const { route } = entry
      const isAnswer = route.validator.hasFrames()
      const path = isAnswer && entry.path.status.isOpen ? entry.path : paths.active
      if (!isCongested(route.socket) && path.peerIds.usable) {
        this.direct(route)
        const end = this.builder.buildOffPath(buffer, start, path, entry, nowMicros)
        if (end > start) return end
      }
      offPath!.holdBack(entry, nowMicros)
    }
    return start
  }

  private direct({
    remote,
    socket
  }: {
    readonly remote: SocketAddress
    readonly socket: SocketNumber
  }): void {
    const { transmit } = this
    transmit.remote = remote
    transmit.socket = socket
    transmit.ecn = 0
  }
}
