import { PathFilter } from "../path/PathFilter.ts"
import type { SocketNumber } from "../path/Route.ts"
import { resetTokenOffset } from "../path/statelessReset.ts"
import { coupledGrowth } from "../recovery/coupledGrowth.ts"
import { Space } from "../wire/PacketType.ts"
import type { SocketAddress } from "../wire/SocketAddress.ts"
import { MINIMUM_DATAGRAM_BYTES } from "./ConnectionConfig.ts"
import type { ConnectionPath } from "./ConnectionPath.ts"
import { PathTotals } from "./PathTotals.ts"

const none: ReadonlyArray<ConnectionPath> = []

/** The paths of a connection by ID. Path 0 was created by the handshake. */
export class PathSet {
  /** Grown by copies: `push` would reserve seventeen slots. */
  private paths: ReadonlyArray<ConnectionPath> = none
  private removed: ReadonlyArray<ConnectionPath> = none
  /** Which data may be sent on the path that is asked now. */
  readonly filter: PathFilter<ConnectionPath> = new PathFilter(this)
  /** Of those that are gone; undefined as long as none is. */
  private past: PathTotals | undefined = undefined
  /** A path that data is sent on: the first, unless it is gone or does not carry any. */
  active!: ConnectionPath

  /** In order of creation. */
  get all(): ReadonlyArray<ConnectionPath> {
    return this.paths
  }

  add(path: ConnectionPath): void {
    if (this.paths.length === 0) this.active = path
    this.paths = this.paths.concat(path)
  }

  remove(path: ConnectionPath): void {
    this.paths = this.paths.filter((other) => other !== path)
    this.removed = this.removed.concat(path)
    this.past ??= new PathTotals()
    this.past.add(path)
  }

  /** What all paths have counted, those that are gone included. */
  get totals(): PathTotals {
    const totals = Object.assign(new PathTotals(), this.past)
    for (const path of this.paths) totals.add(path)
    return totals
  }

  /** Those removed since the last call: the endpoint must stop routing to them. */
  takeRemoved(): ReadonlyArray<ConnectionPath> {
    const { removed } = this
    this.removed = none
    return removed
  }

  /** Without those that are reserved only. */
  get used(): ReadonlyArray<ConnectionPath> {
    return this.paths.filter(({ status }) => status.state !== "created")
  }

  /** Those on which packets were sent or received, and that nobody has abandoned. */
  get open(): ReadonlyArray<ConnectionPath> {
    return this.paths.filter(({ status }) => status.isOpen)
  }

  /** Whether more than one is open; asked for every deadline, so it makes no list. */
  get hasSeveralOpen(): boolean {
    let open = 0
    for (const { status } of this.paths) if (status.isOpen) open++
    return open > 1
  }

  byId(id: number): ConnectionPath | undefined {
    return this.paths.find((path) => path.id === id)
  }

  /** The sockets used by any route of any path, or to be used as soon as that is allowed. */
  get sockets(): Set<SocketNumber> {
    const sockets = new Set<SocketNumber>()
    for (const { routes, migration } of this.used) {
      for (const { socket } of routes.all) sockets.add(socket)
      if (migration.awaited !== undefined) sockets.add(migration.awaited)
    }
    return sockets
  }

  /** Whether any path waits for a blocked socket. */
  areHeldBack(isCongested: (socket: SocketNumber) => boolean): boolean {
    for (const { routes } of this.paths) {
      const { current, probing } = routes
      if (isCongested(current.socket) || (probing !== undefined && isCongested(probing.socket))) return true
    }
    return false
  }

  /** Whether any route leads to this address of the peer. */
  hasRemote(remote: SocketAddress): boolean {
    return this.paths.some(({ routes }) => routes.hasRemote(remote))
  }

  /**
   * Whether a datagram ends in the stateless reset token of an active ID, found out in a time that depends neither on the
   * ID nor on the path. RFC 9000 §10.3.1
   */
  isReset(bytes: Uint8Array, equal: (a: Uint8Array, b: Uint8Array) => boolean): boolean {
    const offset = resetTokenOffset(0, bytes.length)
    let found = false
    for (const { peerIds } of this.paths) found = peerIds.isResetToken(bytes, offset, equal) || found
    return found
  }

  /** Paths that owe an ACK and send nothing themselves, if `path` may speak for them. draft-ietf-quic-multipath §3.4.3 */
  owingAcks(path: ConnectionPath, nowMicros: number): ReadonlyArray<ConnectionPath> {
    if (this.paths.length === 1 || !path.status.carries) return none
    return this.paths.filter(
      ({ status, received }) =>
        (status.isEnding || status.isSuspect) && received[Space.Application].shouldAckNow(nowMicros)
    )
  }

  /** Whether any path may send what others owe now. */
  get mayCarryAcks(): boolean {
    return this.paths.some(({ status, maySend }) => status.carries && maySend)
  }

  /** Whether connection IDs of any path are to be provided or retired. */
  get hasIdFrames(): boolean {
    const { paths } = this
    for (let i = 0; i < paths.length; i++) {
      const { peerIds, localIds, status } = paths[i]
      if (!status.isEnding && (peerIds.hasFrames() || localIds.hasFrames())) return true
    }
    return false
  }

  /** Whether any ack-eliciting packet is in flight. */
  get hasInFlight(): boolean {
    return this.paths.some(({ recovery }) => recovery.packetsInFlight > 0)
  }

  get maySend(): boolean {
    return this.paths.some((path) => path.maySend)
  }

  /** The size of the largest datagram that may be due now. */
  largestBytes(nowMicros: number): number {
    const { paths } = this
    let most = MINIMUM_DATAGRAM_BYTES
    for (let i = 0; i < paths.length; i++) most = Math.max(most, paths[i].mtu.largestBytes(nowMicros))
    return most
  }

  /** The largest PTO of all paths. draft-ietf-quic-multipath §2.5, §2.6 */
  get ptoMicros(): number {
    let largest = 0
    for (const { recovery, status } of this.paths)
      if (status.isOpen) largest = Math.max(largest, recovery.ptoMicros())
    return largest
  }

  /** The longest round-trip time: data of the fastest path waits for that of the slowest. `path` is one of them. */
  rttMicros(path: ConnectionPath): number {
    const { paths } = this
    let longest = path.recovery.rtt.smoothedMicros
    for (let i = 0; i < paths.length; i++) {
      const { recovery, status } = paths[i]
      if (status.isUsable) longest = Math.max(longest, recovery.rtt.smoothedMicros)
    }
    return longest
  }

  /**
   * What is on its way, or arrived and waits for what is on the slowest path, when all that carry data are full. What is lost
   * on one of several may be missed until a probe timeout after the last packet sent there, if that path has come to need
   * such: meanwhile the others go on.
   */
  get carriedBytes(): number {
    let [rate, longest, usable, carried] = [0, 0, 0, 0]
    for (const { recovery, status } of this.paths) {
      if (status.isUsable) {
        usable++
        const { rtt, counters } = recovery
        longest = Math.max(
          longest,
          counters.probeTimeouts > 0 ? 2 * recovery.ptoMicros() : rtt.smoothedMicros
        )
      }
      if (!status.carries) continue
      carried += recovery.congestionWindow
      rate += recovery.congestionWindow / Math.max(1, recovery.rtt.smoothedMicros)
    }
    return usable > 1 ? rate * longest : carried
  }

  /** What coupled congestion control allows each of those that carry data. RFC 6356 */
  get coupledGrowth(): number {
    return coupledGrowth(this.paths)
  }

  [Symbol.iterator](): Iterator<ConnectionPath> {
    return this.paths[Symbol.iterator]()
  }
}
