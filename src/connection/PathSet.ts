import type { SocketNumber } from "../path/Route.ts"
import type { SocketAddress } from "../wire/SocketAddress.ts"
import type { ConnectionPath } from "./ConnectionPath.ts"

/** The paths of a connection by ID. Path 0 was created by the handshake. */
export class PathSet {
  private readonly paths: Array<ConnectionPath> = []

  /** In order of creation. */
  get all(): ReadonlyArray<ConnectionPath> {
    return this.paths
  }

  add(path: ConnectionPath): void {
    this.paths.push(path)
  }

  /** The path that data is sent on. */
  get active(): ConnectionPath {
    return this.paths[0]
  }

  byId(id: number): ConnectionPath | undefined {
    return this.paths.find((path) => path.id === id)
  }

  /** The sockets used by any route of any path, or to be used as soon as that is allowed. */
  get sockets(): Set<SocketNumber> {
    const sockets = new Set<SocketNumber>()
    for (const { routes, migration } of this.paths) {
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
   * Whether `bytes[offset, offset + 16)` is the stateless reset token of an active ID, in a time that depends neither
   * on the ID nor on the path. RFC 9000 §10.3.1
   */
  isResetToken(bytes: Uint8Array, offset: number, equal: (a: Uint8Array, b: Uint8Array) => boolean): boolean {
    let found = false
    for (const { peerIds } of this.paths) found = peerIds.isResetToken(bytes, offset, equal) || found
    return found
  }

  /** Whether any ack-eliciting packet is in flight. */
  get hasInFlight(): boolean {
    return this.paths.some(({ recovery }) => recovery.packetsInFlight > 0)
  }

  get maySend(): boolean {
    return this.paths.some((path) => path.maySend)
  }

  /** The largest PTO of all paths. draft-ietf-quic-multipath §2.5, §2.6 */
  get ptoMicros(): number {
    let largest = 0
    for (const { recovery } of this.paths) largest = Math.max(largest, recovery.ptoMicros())
    return largest
  }

  [Symbol.iterator](): Iterator<ConnectionPath> {
    return this.paths[Symbol.iterator]()
  }
}
