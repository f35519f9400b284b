import { BASE_BYTES, BlackHoleDetector } from "./BlackHoleDetector.ts"

/** Consecutive lost probes, of any size, that end a search. RFC 8899 §5.1.2 */
const MAX_PROBES = 3
/** Least time between a lost probe and the next, so that one outage does not lose all three. §5.1.1 */
const PROBE_TIMER_MICROS = 1_000_000
/** How long the result of a search is kept before the next. RFC 8899 §5.1.1 */
const RAISE_TIMER_MICROS = 600_000_000
/** How long the base size is used after a black hole. RFC 8899 §5.3.3 */
const COOL_OFF_MICROS = 60_000_000
/** Consecutive PTOs after which an initial size that was never confirmed is given up. */
const BASE_TIMEOUTS = 3
/** A smaller gain is not worth a probe. RFC 8899 §5.3.2 */
const MIN_GAIN_BYTES = 20

/** UDP payload sizes for common MTUs of links and tunnels, for IPv4 and IPv6: 1280, 1420, 1492, 1500, 9000 … */
const STEPS = [
  1232, 1252, 1280, 1320, 1372, 1392, 1412, 1432, 1452, 1472, 2048, 4052, 8952, 16336, 32720, 65487, 65507
]
/** Sizes to try first: Ethernet, jumbo frames, loopback. */
const LEAPS = [1452, 8952, 65487]

export interface MtuDiscoveryOptions {
  /** The initial datagram size, at least 1200. */
  readonly base: number
  /** The upper end of the search: the least of the configured limit, the interface MTU, and the peer's limit. */
  readonly max: number
}

/**
 * Finds the largest datagram a path carries: DPLPMTUD. RFC 8899 §5, RFC 9000 §14.2 #S1, §14.3
 *
 * A search leaps along the most common sizes; after the first loss it continues in small steps from the last size that
 * was delivered, up to the one that was lost, or to `max`. One probe is in flight at a time. Call `probeSize` whenever
 * something may be sent, and at `deadlineMicros`.
 */
export class MtuDiscovery {
  /** The largest datagram that may be sent, except for probes. */
  current: number
  /** When the next probe is due. */
  deadlineMicros = Number.POSITIVE_INFINITY
  /** Consecutive datagrams of data since the last probe. */
  datagramsSinceProbe = 0
  private state: "disabled" | "searching" | "complete" = "disabled"
  private readonly base: number
  private max: number
  private due = false
  /** Size of the probe in flight, 0 when there is none. */
  private probing = 0
  private probeSentAt = 0
  private failures = 0
  /** The smallest size lost in this search. */
  private refused = Number.POSITIVE_INFINITY
  /** When anything but a probe was last declared lost. */
  private otherLossAt = -1
  private readonly blackHole = new BlackHoleDetector()

  constructor(options: MtuDiscoveryOptions) {
    this.base = options.base
    this.max = Math.max(BASE_BYTES, options.max)
    this.current = Math.min(this.max, Math.max(BASE_BYTES, options.base))
  }

  /**
   * The most the next datagram may have. While a black hole is suspected, every second one is small: each round trip is
   * then evidence of whether only the large ones are lost, where a PTO would have to pass for it, and data goes on.
   */
  get nextBytes(): number {
    return this.blackHole.isSuspected && this.datagramsSinceProbe % 2 === 1 ? BASE_BYTES : this.current
  }

  /** The size of the largest datagram that may be due now, a probe included. */
  largestBytes(nowMicros: number): number {
    const isProbeDue = this.due || nowMicros >= this.deadlineMicros
    return isProbeDue ? Math.max(this.current, this.nextSize()) : this.current
  }

  /** Starts the search once the handshake is complete. RFC 9000 §14.3.1 */
  start(): void {
    if (this.state === "disabled") this.search()
  }

  /** For another route of the same path: only the peer's limit is kept. RFC 9000 §14.2 #S4 */
  renewed(): MtuDiscovery {
    return new MtuDiscovery({ base: this.base, max: this.max })
  }

  /** Applies the peer's max_udp_payload_size. RFC 9000 §18.2 */
  setPeerMax(maxBytes: number): void {
    this.max = Math.max(BASE_BYTES, Math.min(this.max, maxBytes))
    this.current = Math.min(this.current, this.max)
  }

  /** The size of the probe to send now, 0 for none. A probe is a packet of PING and PADDING. RFC 9000 §14.4 */
  probeSize(nowMicros: number): number {
    if (nowMicros >= this.deadlineMicros) {
      this.deadlineMicros = Number.POSITIVE_INFINITY
      if (this.state === "complete") this.search()
      else this.due = true
    }
    return this.due ? this.nextSize() : 0
  }

  onProbeSent(size: number, nowMicros: number): void {
    this.due = false
    this.probing = size
    this.probeSentAt = nowMicros
  }

  /** True when `current` has grown. */
  onProbeAcked(size: number): boolean {
    this.blackHole.onDelivered(size)
    if (size !== this.probing) return false // sent before a black hole was detected
    this.probing = 0
    this.failures = 0
    this.current = Math.min(size, this.max)
    if (size >= this.refused) this.refused = Number.POSITIVE_INFINITY
    if (this.nextSize() === 0) this.complete(Number.POSITIVE_INFINITY)
    else this.due = true
    return true
  }

  /** The probe was lost, or rejected by the socket. Not a sign of congestion. RFC 9000 §14.4 */
  onProbeLost(size: number, nowMicros: number): void {
    if (size !== this.probing) return
    this.probing = 0
    // RFC 8899 §3, item 4: together with other losses, this one is probably congestion and not its size
    if (this.otherLossAt < this.probeSentAt) {
      this.failures++
      this.refused = Math.min(this.refused, size)
    }
    if (this.failures >= MAX_PROBES) this.complete(nowMicros + RAISE_TIMER_MICROS)
    else this.deadlineMicros = this.probeSentAt + PROBE_TIMER_MICROS
  }

  /** A datagram other than a probe was delivered. */
  onPacketAcked(size: number): void {
    this.blackHole.onDelivered(size)
  }

  /** A datagram other than a probe was lost. True for a black hole, which resets `current` to the base. */
  onPacketLost(size: number, sentMicros: number, nowMicros: number): boolean {
    this.otherLossAt = nowMicros
    return this.blackHole.onLost(size, sentMicros, nowMicros) && this.fallBack(nowMicros)
  }

  /**
   * The PTO expired for the `consecutive`th time. Once the initial size is confirmed, total loss says nothing about
   * sizes: a black hole needs a small datagram that is delivered while larger ones are lost.
   */
  onProbeTimeout(consecutive: number, nowMicros: number): boolean {
    return this.state === "disabled" && consecutive >= BASE_TIMEOUTS && this.fallBack(nowMicros)
  }

  private fallBack(nowMicros: number): boolean {
    this.blackHole.clear()
    if (this.current === BASE_BYTES) return false
    this.current = BASE_BYTES
    if (this.state !== "disabled") this.complete(nowMicros + COOL_OFF_MICROS)
    return true
  }

  private search(): void {
    this.state = "searching"
    this.failures = 0
    this.refused = Number.POSITIVE_INFINITY
    this.due = true
  }

  private complete(nextSearchAt: number): void {
    this.state = "complete"
    this.probing = 0
    this.due = false
    this.deadlineMicros = nextSearchAt
  }

  private nextSize(): number {
    const { current, max } = this
    if (max <= current) return 0
    const sizes = this.refused === Number.POSITIVE_INFINITY ? LEAPS : STEPS
    for (const size of sizes) if (size > current && size <= max - MIN_GAIN_BYTES) return size
    return max
  }
}
