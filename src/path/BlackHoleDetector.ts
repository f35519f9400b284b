/** Every path carries datagrams of this size: BASE_PLPMTU and MIN_PLPMTU. RFC 9000 §14.3 #S1 */
export const BASE_BYTES = 1200
/** Loss events, with nothing as large delivered between them, that make a black hole where little is lost. RFC 8899 §4.3 */
const LEAST_EVENTS = 3
const MOST_EVENTS = 16
/** How improbable it must be that as many large datagrams were lost by chance. */
const CHANCE = 1e-6
/** What a path that nothing is known about is taken to lose: one datagram of so many. */
const PRIOR_DATAGRAMS = 16
/** So many datagrams back the rate of loss is remembered; older ones count half, a quarter … */
const MEMORY_DATAGRAMS = 256

/**
 * Whether a path that carried large datagrams has begun to swallow them. RFC 8899 §4.3
 *
 * A datagram is found lost when a later one is acknowledged, so each loss event is one size that did not pass while
 * another did. A path that loses datagrams of any size shows the same now and then: the more it loses, the more events
 * in a row it takes.
 */
export class BlackHoleDetector {
  /** Loss events since something as large as `smallestLost` arrived. */
  private events = 0
  private smallestLost = Number.POSITIVE_INFINITY
  private lastLossAt = -1
  private delivered = 0
  /** Lost, and no black hole: they were small, or others as large arrived later. */
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

  /** True when it is a black hole. A datagram sent before the last loss was found belongs to the same event. */
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

  clear(): void {
    this.events = 0
    this.unexplained = 0
    this.smallestLost = Number.POSITIVE_INFINITY
  }

  private get eventsNeeded(): number {
    const rate = (this.lost + 1) / (this.delivered + this.lost + PRIOR_DATAGRAMS)
    const events = Math.ceil(Math.log(CHANCE) / Math.log(rate))
    return Math.min(Math.max(events, LEAST_EVENTS), MOST_EVENTS)
  }
}
