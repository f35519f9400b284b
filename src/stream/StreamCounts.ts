import { maxStreamCount } from "./StreamId.ts"

/** Streams of one direction that we opened, counted against the peer's limit. RFC 9000 §4.6 */
export class LocalStreamCount {
  opened = 0
  /** The peer's cumulative limit, capped so that stream IDs stay exact numbers. */
  limit = 0
  /** The limit that the last STREAMS_BLOCKED reported; −1 for none. */
  blockedAt = -1
  /** How many callers wait to open a stream. */
  waiting = 0

  /** Whether a caller, or a stream opened under remembered limits, waits for a higher limit. */
  get isBlocked(): boolean {
    return this.opened > this.limit || (this.waiting > 0 && this.opened === this.limit)
  }

  get available(): number {
    return Math.max(0, this.limit - this.opened)
  }

  /** True if the limit grew; one that does not MUST be ignored. RFC 9000 §4.6 #4, §13.3 #3, §19.11 #2 */
  raise(limit: number): boolean {
    const capped = Math.min(limit, Math.floor(Number.MAX_SAFE_INTEGER / 4))
    if (capped <= this.limit) return false
    this.limit = capped
    return true
  }
}

/** Streams of one direction that the peer opened, and the limit granted to it. RFC 9000 §4.6 */
export class PeerStreamCount {
  opened = 0
  closed = 0
  /** Of those that are open: completely received and sent, and only waiting for acknowledgments. */
  lingering = 0
  /** The cumulative limit advertised to the peer. */
  granted: number
  /** The limit the peer last reported as blocking it; −1 for none. */
  peerBlockedAt = -1
  /** No more streams are granted. */
  isFrozen = false
  private readonly concurrent: number

  constructor(concurrent: number) {
    this.concurrent = Math.min(concurrent, maxStreamCount)
    this.granted = this.concurrent
  }

  /**
   * The limit that allows `concurrent` streams to be in use at once. Without those that linger, a peer would have to wait
   * for the round trip of its acknowledgments; no more than `concurrent` of them count, as it may withhold these.
   */
  get target(): number {
    if (this.isFrozen) return this.granted
    return this.closed + Math.min(this.lingering, this.concurrent) + this.concurrent
  }

  /** Streams in whose place the peer may not yet open others. */
  get owed(): number {
    return this.opened - this.closed - Math.min(this.lingering, this.concurrent)
  }

  /** Whether to send MAX_STREAMS: an eighth of the limit is free again, or the peer has none left. */
  get isDue(): boolean {
    const more = this.target - this.granted
    return more > 0 && (more * 8 >= this.concurrent || this.opened === this.granted)
  }

  /** Whether the peer reported being blocked and has been granted no more since. */
  get isPeerBlocked(): boolean {
    return this.peerBlockedAt === this.granted
  }

  /** STREAMS_BLOCKED. Returns true if more streams can be granted. */
  onPeerBlocked(limit: number): boolean {
    if (limit === this.granted) this.peerBlockedAt = limit
    return this.target > this.granted
  }

  grant(): number {
    this.granted = this.target
    return this.granted
  }
}
