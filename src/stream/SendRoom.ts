import type { LocalStreamLimits } from "./StreamLimits.ts"

/** The paths, as far as it matters how much they carry. */
export interface Carrying {
  /** What may be under way on all paths, and wait at the peer for the slowest of them. */
  readonly carriedBytes: number
}

/**
 * How much the streams of a connection may buffer for sending: each its share in any case, and together as much as its
 * paths carry at once. What arrived too early counts too, since it is held until what was sent before has arrived.
 */
export class SendRoom {
  /** Buffered by all streams. */
  heldBytes = 0
  private readonly shareBytes: number
  private readonly mostBytes: number
  private readonly paths: Carrying

  constructor({ sendBufferBytes, maxSendBufferBytes }: LocalStreamLimits, paths: Carrying) {
    this.shareBytes = sendBufferBytes
    this.mostBytes = maxSendBufferBytes
    this.paths = paths
  }

  /** Up to which size the buffer of a stream may grow that holds `heldBytes`. */
  capacity(heldBytes: number): number {
    const { shareBytes, mostBytes } = this
    if (heldBytes < shareBytes || mostBytes <= shareBytes) return shareBytes
    // twice: what is lost is sent again, and meanwhile there has to be something new
    const wanted = Math.min(mostBytes, 2 * this.paths.carriedBytes)
    return Math.max(shareBytes, heldBytes + wanted - this.heldBytes)
  }

  /** Whether a stream that waits for room has enough to be worth a write. */
  hasRoom(heldBytes: number): boolean {
    return this.capacity(heldBytes) - heldBytes >= this.shareBytes / 4
  }
}
