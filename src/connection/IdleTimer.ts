/** NATs drop mappings after 30 seconds of silence or more. RFC 9000 §10.1.2 */
const STALL_MICROS = 15_000_000
/** The first silence after which a client asks for data that it awaits: longer than most answers take. */
const INQUIRY_MICROS = 500_000

/**
 * Closes a silent connection. RFC 9000 §10.1 #1
 *
 * The timeout is the smaller of the two advertised, but at least three PTOs. It restarts when a packet is
 * received, and when an ack-eliciting one is sent for the first time since the last receipt.
 */
export class IdleTimer {
  private timeoutMicros: number
  lastActivity: number
  /** When the last authentic packet was received. */
  receivedAt: number
  private sentSinceReceived = false

  /** `timeoutMillis` 0 means never. */
  constructor(timeoutMillis: number, nowMicros: number) {
    this.timeoutMicros = timeoutMillis === 0 ? Number.POSITIVE_INFINITY : timeoutMillis * 1000
    this.lastActivity = nowMicros
    this.receivedAt = nowMicros
  }

  /** Neither side has an idle timeout. */
  get isDisabled(): boolean {
    return this.timeoutMicros === Number.POSITIVE_INFINITY
  }

  /** An ack-eliciting packet was sent, and nothing has been received since: the PTO is running. */
  get isAckAwaited(): boolean {
    return this.sentSinceReceived
  }

  /** Takes the peer's max_idle_timeout into account. */
  negotiate(peerTimeoutMillis: number): void {
    if (peerTimeoutMillis > 0) this.timeoutMicros = Math.min(this.timeoutMicros, peerTimeoutMillis * 1000)
  }

  onReceived(nowMicros: number): void {
    this.lastActivity = nowMicros
    this.receivedAt = nowMicros
    this.sentSinceReceived = false
  }

  onAckElicitingSent(nowMicros: number): void {
    if (this.sentSinceReceived) return
    this.sentSinceReceived = true
    this.lastActivity = nowMicros
  }

  deadline(ptoMicros: number): number {
    return this.lastActivity + this.longestSilence(ptoMicros)
  }

  /** How long either side keeps a connection whose other side is silent. */
  longestSilence(ptoMicros: number): number {
    return Math.max(this.timeoutMicros, 3 * ptoMicros)
  }

  /**
   * When to repeat a BLOCKED frame or a credit update while both sides are stalled: well before either idles out. The
   * blocked side goes first, so that the other rarely has to.
   */
  stallDeadline(waits: boolean, ptoMicros: number): number {
    const timeout = Math.max(this.timeoutMicros, 3 * ptoMicros)
    const micros = Math.min(STALL_MICROS, timeout / 2)
    return this.lastActivity + (waits ? micros : (micros * 4) / 3)
  }

  /**
   * When to send a keep-alive PING: `intervalMicros` after the last activity, before the idle timeout. Never while an
   * ACK is outstanding: the PTO covers that.
   */
  keepAliveAt(intervalMicros: number, ptoMicros: number): number {
    if (this.sentSinceReceived) return Number.POSITIVE_INFINITY
    const timeout = Math.max(this.timeoutMicros, 3 * ptoMicros)
    return this.lastActivity + Math.min(intervalMicros, timeout / 2)
  }

  /**
   * When to send a PING because nothing has arrived since `sinceMicros`: after half a second or three PTOs, times
   * `patience`, but well before a NAT forgets or the connection idles out. Never while an ACK is outstanding.
   */
  inquiryAt(sinceMicros: number, patience: number, ptoMicros: number): number {
    if (this.sentSinceReceived) return Number.POSITIVE_INFINITY
    const timeout = Math.max(this.timeoutMicros, 3 * ptoMicros)
    const micros = Math.max(INQUIRY_MICROS, 3 * ptoMicros) * patience
    return Math.max(sinceMicros, this.lastActivity) + Math.min(micros, STALL_MICROS, timeout / 3)
  }
}
