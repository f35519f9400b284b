import { maxStreamCount } from "./StreamId.ts"

/** Streams of one direction that we open, counted against the peer's limit. RFC 9000 §4.6 */
export class LocalStreamCount {
  opened = 0
  /** How many the peer allows in all; kept where ids stay exact numbers. */
  limit = 0
  /** The limit STREAMS_BLOCKED was last wanted for; −1 for none. */
  blockedAt = -1
  /** Fibers that wait until another can be opened. */
  waiting = 0

  /** Somebody waits for the peer to allow more, or streams do that were opened under remembered limits. */
  get isBlocked(): boolean {
    return this.opened > this.limit || (this.waiting > 0 && this.opened === this.limit)
  }

  get available(): number {
    return Math.max(0, this.limit - this.opened)
  }

  /** True when the limit grew; others MUST be ignored. RFC 9000 §4.6 #4, §13.3 #3, §19.11 #2 */
  raise(limit: number): boolean {
    const capped = Math.min(limit, Math.floor(Number.MAX_SAFE_INTEGER / 4))
    if (capped <= this.limit) return false
    this.limit = capped
    return true
  }
}

/** Streams of one direction that the peer opens, and how many it has been allowed. RFC 9000 §4.6 */
export class PeerStreamCount {
  opened = 0
  closed = 0
  /** How many the peer has been told it may open in all. */
  granted: number
  /** The limit the peer has said it is held back by; −1 for none. */
  peerBlockedAt = -1
  private readonly concurrent: number

  constructor(concurrent: number) {
    this.concurrent = Math.min(concurrent, maxStreamCount)
    this.granted = this.concurrent
  }

  /** As many as may be open at once, beyond those that are closed. */
  get target(): number {
    return this.closed + this.concurrent
  }

  /** Worth a frame: an eighth of all is free again, or the peer has none left. */
  get isDue(): boolean {
    const more = this.target - this.granted
    return more > 0 && (more * 8 >= this.concurrent || this.opened === this.granted)
  }

  /** The peer has said that it waits for more, and has not been told of more since. */
  get holdsPeerBack(): boolean {
    return this.peerBlockedAt === this.granted
  }

  /** STREAMS_BLOCKED: true when there is more to be granted. */
  onPeerBlocked(limit: number): boolean {
    if (limit === this.granted) this.peerBlockedAt = limit
    return this.target > this.granted
  }

  grant(): number {
    this.granted = this.target
    return this.granted
  }
}
