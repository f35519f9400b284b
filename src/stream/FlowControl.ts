/** Credit to send, from the peer: of one stream or of the connection. RFC 9000 §4.1 */
export class SendCredit {
  /** The sum of offsets that may be reached. */
  limit: number
  used = 0
  /** The limit a BLOCKED frame was last sent for; −1 for none yet. */
  blockedAt = -1

  constructor(limit: number) {
    this.limit = limit
  }

  get available(): number {
    return this.limit - this.used
  }

  /** True when the limit grew; others MUST be ignored. RFC 9000 §4.1 #3, §13.3 #3 */
  raise(limit: number): boolean {
    if (limit <= this.limit) return false
    this.limit = limit
    return true
  }
}

/**
 * Credit to receive, given to the peer: of one stream or of the connection. RFC 9000 §4.1, §4.2
 *
 * The window doubles whenever half of it was consumed within two round trips of the grant before: then it, and not
 * the path, may be what holds the sender back.
 */
export class ReceiveWindow {
  /** The largest limit the peer has been told. */
  limit: number
  /** The largest offset received; of the connection, their sum. */
  received = 0
  /** Read by the application, or thrown away for it. */
  consumed = 0
  /** The limit the peer has said it is held back by; −1 for none. */
  peerBlockedAt = -1
  size: number
  private readonly maxSize: number
  private grantedMicros = -1

  constructor(size: number, maxSize: number) {
    this.limit = size
    this.size = size
    this.maxSize = Math.max(size, maxSize)
  }

  /** What could be granted beyond what the peer has been told. */
  get ungranted(): number {
    return Math.max(0, this.consumed + this.size - this.limit)
  }

  /** The peer has used what it was granted. */
  get isExhausted(): boolean {
    return this.received >= this.limit
  }

  /** The peer has said that it waits for more, and has not been told of more since. */
  get holdsPeerBack(): boolean {
    return this.peerBlockedAt === this.limit
  }

  /**
   * Half the window is consumed: time to tell the peer of more. One that stands still is told of less, but not of every
   * byte. RFC 9000 §4.2 #1: whether it says so or not
   */
  get isDue(): boolean {
    return this.isHalfConsumed || (this.isExhausted && this.ungranted >= this.size / 8)
  }

  private get isHalfConsumed(): boolean {
    return this.ungranted >= this.size / 2
  }

  /** DATA_BLOCKED, or STREAM_DATA_BLOCKED. One about another limit has crossed our grant on the way. */
  onPeerBlocked(limit: number): void {
    if (limit === this.limit) this.peerBlockedAt = limit
  }

  /** Moves the limit to what can be granted now, and returns it. */
  grant(nowMicros: number, rttMicros: number): number {
    if (this.isHalfConsumed) {
      const elapsed = nowMicros - this.grantedMicros
      if (this.grantedMicros >= 0 && elapsed < 2 * rttMicros) this.growTo(2 * this.size)
      this.grantedMicros = nowMicros
    }
    this.limit = Math.max(this.limit, this.consumed + this.size)
    return this.limit
  }

  growTo(size: number): void {
    this.size = Math.min(Math.max(this.size, size), this.maxSize)
  }
}
