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
  size: number
  private readonly maxSize: number
  private grantedMicros = -1

  constructor(size: number, maxSize: number) {
    this.limit = size
    this.size = size
    this.maxSize = Math.max(size, maxSize)
  }

  /** Half the window is consumed: time to tell the peer of more. */
  get isDue(): boolean {
    return this.consumed + this.size - this.limit >= this.size / 2
  }

  /** Moves the limit to what can be granted now, and returns it. */
  grant(nowMicros: number, rttMicros: number): number {
    if (this.isDue) {
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
