import type { ConnectionPath } from "./ConnectionPath.ts"

/** The paths of a connection, by ID. Path 0 is the one the handshake made. */
export class PathSet {
  /** The path that data is sent on. */
  active: ConnectionPath
  private readonly paths: Array<ConnectionPath>

  constructor(first: ConnectionPath) {
    this.active = first
    this.paths = [first]
  }

  byId(id: number): ConnectionPath | undefined {
    return this.paths[id]
  }

  /** True when `bytes[start, end)` is a connection ID we issued on any path. */
  isLocalId(bytes: Uint8Array, start: number, end: number): boolean {
    for (const path of this.paths) if (path.localIds.sequenceOf(bytes, start, end) >= 0) return true
    return false
  }

  [Symbol.iterator](): Iterator<ConnectionPath> {
    return this.paths[Symbol.iterator]()
  }
}
