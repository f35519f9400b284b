/** Burst size as time at the pacing rate: Node's timers tick once per millisecond, and ticks get missed. */
const burstMicros = 2_000
/** Tokens to accumulate before sending, so that a fast path wakes once per tick and not once per packet. */
const quantumMicros = 1_000
/** RFC 9002 §7.7: bursts SHOULD be limited to the initial congestion window, which is ten datagrams. */
const burstDatagrams = 10

/**
 * A token bucket that spreads a window over a round trip. RFC 9002 §7.7 #1 #S1. Rates are bytes per microsecond.
 * The bucket holds ten datagrams or two milliseconds' worth of tokens, whichever is more.
 */
export class Pacer {
  private tokens: number
  private refilledMicros = 0
  private rate = Number.POSITIVE_INFINITY
  private maxDatagramSize: number

  constructor(maxDatagramSize: number) {
    this.maxDatagramSize = maxDatagramSize
    this.tokens = burstDatagrams * maxDatagramSize
  }

  get bytesPerMicro(): number {
    return this.rate
  }

  get capacity(): number {
    return Math.max(burstDatagrams * this.maxDatagramSize, this.rate * burstMicros)
  }

  /** Keeps the tokens already earned at the previous rate. */
  setRate(bytesPerMicro: number, nowMicros: number): void {
    this.refill(nowMicros)
    this.rate = bytesPerMicro
    this.tokens = Math.max(this.tokens, -this.capacity)
  }

  setMaxDatagramSize(maxDatagramSize: number): void {
    this.maxDatagramSize = maxDatagramSize
  }

  onPacketSent(size: number, nowMicros: number): void {
    this.refill(nowMicros)
    // Probes and handshake packets are sent regardless of tokens; the debt is at most one bucket.
    this.tokens = Math.max(this.tokens - size, -this.capacity)
  }

  /** Bytes that may be sent now; less than one datagram means not yet. */
  available(nowMicros: number): number {
    this.refill(nowMicros)
    return this.rate === Number.POSITIVE_INFINITY ? this.rate : Math.max(0, this.tokens)
  }

  /** When to ask `available` again; at most `nowMicros` if sending is allowed already. */
  nextSendMicros(nowMicros: number): number {
    this.refill(nowMicros)
    // an infinite rate earns tokens only as time passes, and at time 0 none has
    if (this.tokens >= this.maxDatagramSize || this.rate === Number.POSITIVE_INFINITY) return nowMicros
    const wanted = Math.max(this.maxDatagramSize, this.rate * quantumMicros)
    return nowMicros + Math.ceil((wanted - this.tokens) / this.rate)
  }

  private refill(nowMicros: number): void {
    const elapsed = nowMicros - this.refilledMicros
    if (elapsed <= 0) return
    this.refilledMicros = nowMicros
    this.tokens = Math.min(this.capacity, this.tokens + elapsed * this.rate)
  }
}
