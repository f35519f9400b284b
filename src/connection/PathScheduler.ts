import type { ConnectionPath } from "./ConnectionPath.ts"
import type { PathSet } from "./PathSet.ts"

/** Decides which path the next datagram leaves on. */
export interface PathScheduler {
  /**
   * All paths, the preferred one first: one that has nothing to send, or may not send now, gives way to the next.
   * draft-ietf-quic-multipath §5.5
   */
  order(paths: PathSet): ReadonlyArray<ConnectionPath>
}

/**
 * The path of the handshake carries whatever it can. For a connection with a single path, that is all there is to
 * decide; beyond that, others send what is their own, and data while the window of the first is full.
 */
export const firstPathFirst: PathScheduler = {
  order: (paths) => paths.all
}
