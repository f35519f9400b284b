import type { ConnectionPath } from "./ConnectionPath.ts"

/** The paths of a connection, by ID. Path 0 is the one the handshake made. */
export class PathSet {
  private readonly paths: Array<ConnectionPath> = []

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

  /** The largest probe timeout of all paths. draft-ietf-quic-multipath §2.5, §2.6 */
  get ptoMicros(): number {
    let largest = 0
    for (const { recovery } of this.paths) largest = Math.max(largest, recovery.ptoMicros())
    return largest
  }

  [Symbol.iterator](): Iterator<ConnectionPath> {
    return this.paths[Symbol.iterator]()
  }
}
