import { sameBytes } from "../internal/bytes.ts"

/** Of a probe: how often, how far apart, and for how long. */
const MAX_TRIES = 9
const LONGEST_INTERVAL_MICROS = 2_000_000
const LIFETIME_MICROS = 30_000_000

/**
 * Challenges to one pair of addresses until one is answered. The first tries come at a tenth of the round-trip time that
 * is assumed of a path not measured: a NAT drops those that arrive before its own side has sent.
 */
export class OffPathProbe {
  /** Another challenge may be sent. */
  isDue = true
  private readonly sent: Array<{ readonly data: Uint8Array; readonly sentMicros: number }> = []
  private readonly expiresAt: number
  private intervalMicros: number
  private nextAt = Number.POSITIVE_INFINITY

  constructor(initialRttMicros: number, nowMicros: number) {
    this.intervalMicros = initialRttMicros / 10
    this.expiresAt = nowMicros + LIFETIME_MICROS
  }

  /** A challenge with this data leaves. Each has data of its own. RFC 9000 §8.2.1 */
  onSent(data: Uint8Array, nowMicros: number): void {
    this.sent.push({ data, sentMicros: nowMicros })
    this.isDue = false
    this.nextAt = nowMicros + this.intervalMicros
    this.intervalMicros = Math.min(2 * this.intervalMicros, LONGEST_INTERVAL_MICROS)
  }

  /** Nothing may be sent before then. */
  postpone(untilMicros: number): void {
    this.isDue = false
    this.nextAt = untilMicros
  }

  /** The round-trip time, if `data` is that of one of its challenges. */
  roundTripMicros(data: Uint8Array, nowMicros: number): number | undefined {
    const answered = this.sent.find((challenge) => sameBytes(challenge.data, data))
    return answered && nowMicros - answered.sentMicros
  }

  /** When `sweep` is due. */
  get deadlineMicros(): number {
    return Math.min(this.nextAt, this.expiresAt)
  }

  /** True when it is given up. */
  sweep(nowMicros: number): boolean {
    if (nowMicros >= this.expiresAt) return true
    if (nowMicros < this.nextAt) return false
    this.nextAt = Number.POSITIVE_INFINITY
    if (this.sent.length >= MAX_TRIES) return true
    this.isDue = true
    return false
  }
}
