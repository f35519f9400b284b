import type { ConnectionPath } from "./ConnectionPath.ts"
import type { PathSet } from "./PathSet.ts"

/** Decides which path the next datagram leaves on. */
export interface PathScheduler {
  /**
   * All paths by preference: the first that has something to send and may send it is used.
   * draft-ietf-quic-multipath §5.5
   */
  order(paths: PathSet): ReadonlyArray<ConnectionPath>
}

/**
 * Prefers the path of the handshake. Other paths send their own frames, and data while the congestion window of the
 * first is full.
 */
export const firstPathFirst: PathScheduler = {
  order: (paths) => paths.all
}
