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

  [Symbol.iterator](): Iterator<ConnectionPath> {
    return this.paths[Symbol.iterator]()
  }
}
