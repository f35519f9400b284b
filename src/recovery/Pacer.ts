/** How much of a second one burst may carry: Node's timers tick once a millisecond, and ticks are missed. */
const burstMicros = 2_000
/** What sending waits to collect, so that a fast path wakes once a tick and not once a packet. */
const quantumMicros = 1_000
/** RFC 9002 §7.7: bursts SHOULD be limited to the initial congestion window, which is ten datagrams. */
const burstDatagrams = 10

/**
 * A token bucket that spreads a window over a round trip. RFC 9002 §7.7 #1 #S1. Rates are bytes per microsecond.
 * The bucket holds ten datagrams or two milliseconds at the rate, whichever is more.
 */
export class Pacer {
  /** How many times a burst was cut short by it. */
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

  /** The tokens already earned are kept, as they were earned at the rate before. */
  setRate(bytesPerMicro: number, nowMicros: number): void {
    this.refill(nowMicros)
    this.rate = bytesPerMicro
  }

  setMaxDatagramSize(maxDatagramSize: number): void {
    this.maxDatagramSize = maxDatagramSize
  }

  onPacketSent(size: number, nowMicros: number): void {
    this.refill(nowMicros)
    // Probes and ACK-elicited handshake packets are sent regardless; their debt is bounded by one bucket.
    this.tokens = Math.max(this.tokens - size, -this.capacity)
  }

  /** The bytes that may leave now; less than one datagram means not yet. */
  available(nowMicros: number): number {
    this.refill(nowMicros)
    return Math.max(0, this.tokens)
  }

  /** When `available` is worth asking again; not later than now if it is already. */
  nextSendMicros(nowMicros: number): number {
    this.refill(nowMicros)
    if (this.tokens >= this.maxDatagramSize) return nowMicros
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
