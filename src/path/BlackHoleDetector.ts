/** Every path carries datagrams of this size: BASE_PLPMTU and MIN_PLPMTU. RFC 9000 §14.3 #S1 */
export const BASE_BYTES = 1200
/**
 * The least loss events, without an equally large datagram delivered in between, that indicate a black hole. RFC 8899
 * §4.3
 */
const MIN_EVENTS = 3
const MAX_EVENTS = 16
/** One loss event is everyday congestion; a second one without a large datagram in between rarely is. */
const SUSPICIOUS_EVENTS = 2
/** The highest probability of chance losses at which a black hole is reported. */
const CHANCE = 1e-6
/** The loss rate assumed of an unknown path: one datagram in this many. */
const PRIOR_DATAGRAMS = 16
/** Half-life of the loss rate, in datagrams. */
const MEMORY_DATAGRAMS = 256

/**
 * Detects that a path which carried large datagrams now drops them. RFC 8899 §4.3
 *
 * A datagram is declared lost when a later one is acknowledged, so each loss event is one size that was dropped while
 * another was delivered. Ordinary loss looks the same now and then: the higher the loss rate, the more consecutive
 * events are required.
 */
export class BlackHoleDetector {
  /** Loss events since a datagram as large as `smallestLost` was delivered. */
  private events = 0
  private smallestLost = Number.POSITIVE_INFINITY
  private lastLossAt = -1
  private delivered = 0
  /** Ordinary losses: small datagrams, or others as large were delivered later. */
  private lost = 0
  private unexplained = 0

  onDelivered(size: number): void {
    this.delivered++
    if (size >= this.smallestLost) {
      this.lost += this.unexplained
      this.clear()
    }
    if (this.delivered + this.lost < MEMORY_DATAGRAMS) return
    this.delivered /= 2
    this.lost /= 2
  }

  /** True for a black hole. A datagram sent before the last loss was detected belongs to the same event. */
  onLost(size: number, sentMicros: number, nowMicros: number): boolean {
    if (size <= BASE_BYTES) {
      this.lost++
      return false
    }
    this.unexplained++
    this.smallestLost = Math.min(this.smallestLost, size)
    if (sentMicros <= this.lastLossAt) return false
    this.lastLossAt = nowMicros
    this.events++
    return this.events >= this.eventsNeeded
  }

  /** Whether nothing large has been delivered since the loss event before the last one. */
  get isSuspected(): boolean {
    return this.events >= SUSPICIOUS_EVENTS
  }

  clear(): void {
    this.events = 0
    this.unexplained = 0
    this.smallestLost = Number.POSITIVE_INFINITY
  }

  private get eventsNeeded(): number {
    const rate = (this.lost + 1) / (this.delivered + this.lost + PRIOR_DATAGRAMS)
    const events = Math.ceil(Math.log(CHANCE) / Math.log(rate))
    return Math.min(Math.max(events, MIN_EVENTS), MAX_EVENTS)
  }
}
