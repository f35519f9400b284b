/** Send credit granted by the peer, for one stream or for the connection. RFC 9000 §4.1 */
export class SendCredit {
  /** The largest offset that may be sent; of the connection, the sum over all streams. */
  limit: number
  used = 0
  /** The limit that the last BLOCKED frame reported; −1 for none yet. */
  blockedAt = -1

  constructor(limit: number) {
    this.limit = limit
  }

  get available(): number {
    return this.limit - this.used
  }

  /** True if the limit grew; one that does not MUST be ignored. RFC 9000 §4.1 #3, §13.3 #3 */
  raise(limit: number): boolean {
    if (limit <= this.limit) return false
    this.limit = limit
    return true
  }
}

/**
 * Receive credit granted to the peer, for one stream or for the connection. RFC 9000 §4.1, §4.2
 *
 * The window doubles whenever half of it was consumed within two round trips of the previous grant: the window, not
 * the path, may then be what limits the sender.
 */
export class ReceiveWindow {
  /** The largest limit advertised to the peer. */
  limit: number
  /** The largest offset received; of the connection, the sum over all streams. */
  received = 0
  /** Read by the application, or discarded. */
  consumed = 0
  /** The limit the peer last reported as blocking it; −1 for none. */
  peerBlockedAt = -1
  size: number
  private readonly maxSize: number
  /** When the last grant was; undefined before the first, as for most streams. */
  private grantedMicros: number | undefined = undefined

  constructor(size: number, maxSize: number) {
    this.limit = size
    this.size = size
    this.maxSize = Math.max(size, maxSize)
  }

  /** Credit available to grant beyond the advertised limit. */
  get ungranted(): number {
    return Math.max(0, this.consumed + this.size - this.limit)
  }

  /** Whether the peer has used all its credit. */
  get isExhausted(): boolean {
    return this.received >= this.limit
  }

  /** Whether the peer reported being blocked and has been granted no more since. */
  get isPeerBlocked(): boolean {
    return this.peerBlockedAt === this.limit
  }

  /**
   * Whether to advertise a new limit: when half the window is consumed, or earlier, though not for every byte, if the
   * peer has no credit left. RFC 9000 §4.2 #1: does not depend on a BLOCKED frame.
   */
  get isDue(): boolean {
    return this.isHalfConsumed || (this.isExhausted && this.ungranted >= this.size / 8)
  }

  private get isHalfConsumed(): boolean {
    return this.ungranted >= this.size / 2
  }

  /** DATA_BLOCKED or STREAM_DATA_BLOCKED. One that reports an older limit has crossed our grant. */
  onPeerBlocked(limit: number): void {
    if (limit === this.limit) this.peerBlockedAt = limit
  }

  /** Raises the limit as far as possible now, and returns it. */
  grant(nowMicros: number, rttMicros: number): number {
    if (this.isHalfConsumed) {
      const { grantedMicros } = this
      if (grantedMicros !== undefined && nowMicros - grantedMicros < 2 * rttMicros) this.growTo(2 * this.size)
      this.grantedMicros = nowMicros
    }
    this.limit = Math.max(this.limit, this.consumed + this.size)
    return this.limit
  }

  growTo(size: number): void {
    this.size = Math.min(Math.max(this.size, size), this.maxSize)
  }
}
