import { keyedHash } from "../internal/keyedHash.ts"
import type { RandomBytes } from "../internal/RandomBytes.ts"
import type { SocketAddress } from "../wire/SocketAddress.ts"
import { SOURCE_BYTES, writeSource } from "../wire/sourcePrefix.ts"
import type { Limits } from "./Limits.ts"
import { RateLimit } from "./RateLimit.ts"

/** What a datagram from a stranger asks for; what is kept for others depends on it. */
export const Errand = {
  /** A reply without a connection: a stateless reset or Version Negotiation. */
  Reply: 2,
  /** A handshake. */
  Handshake: 1,
  /** A handshake, with a token that may prove the address. */
  Return: 0
} as const
export type Errand = (typeof Errand)[keyof typeof Errand]

/**
 * Counters of recent datagrams, by a hash of the source, as in a count-min sketch. With fewer rows, a flood from hundreds
 * of sources makes one in 250 others look busy.
 */
const ROWS = 4
const CELLS = 4096
/** The counters are halved this often. */
const HALF_LIFE_MICROS = 250_000
/** A source with more recent datagrams is busy: a client needs less than ten until its connection is known. */
const BUSY = 16
/** What a busy source leaves of the bucket, in quarters; quiet ones leave as many as their `Errand`. */
const BUSY_RETURN = 1.5
const BUSY_OTHER = 2

/**
 * The rate limit for whatever is not authenticated yet, asked before anything is decrypted, hashed or allocated for it.
 * Datagrams for known connection IDs never come here.
 *
 * A flood would use up the limit and have honest clients dropped along with it. So the last quarter of the bucket is kept
 * for clients that return with a token, and another one for handshakes from sources that sent little of late: a flood
 * from few addresses stops neither, and one from forged addresses cannot stop a client that has answered a Retry.
 */
export class StrangerGate {
  /** Whether the last one came from a source that has sent much of late. */
  isBusy = false
  private readonly limit: RateLimit
  private readonly quarter: number
  private readonly recent = new Uint16Array(ROWS * CELLS)
  private readonly source = new Uint8Array(SOURCE_BYTES)
  private readonly keyLow: number
  private readonly keyHigh: number
  private halvedMicros = 0

  constructor(limits: Limits, random: RandomBytes) {
    this.limit = new RateLimit(limits.strangerPacketsPerSecond, limits.strangerPacketsAtOnce)
    this.quarter = limits.strangerPacketsAtOnce / 4
    const key = random(8)
    const words = new DataView(key.buffer, key.byteOffset)
    this.keyLow = words.getInt32(0)
    this.keyHigh = words.getInt32(4)
  }

  /** Charges a datagram; false when nothing may be spent on it. */
  admits(from: SocketAddress, errand: Errand, nowMicros: number): boolean {
    this.isBusy = this.count(from, nowMicros) > BUSY
    return this.limit.take(nowMicros, this.quartersLeft(errand) * this.quarter)
  }

  /** The tokens of a busy source may be made up: it comes after new clients of quiet ones, and before other busy sources. */
  private quartersLeft(errand: Errand): number {
    if (!this.isBusy) return errand
    return errand === Errand.Return ? BUSY_RETURN : BUSY_OTHER
  }

  /** Counts a datagram; returns how many of its source are recent. */
  private count(from: SocketAddress, nowMicros: number): number {
    const { recent, source } = this
    const halvings = Math.min(16, Math.floor((nowMicros - this.halvedMicros) / HALF_LIFE_MICROS))
    if (halvings > 0) {
      this.halvedMicros = nowMicros
      for (let i = 0; i < recent.length; i++) recent[i] >>= halvings
    }
    const length = writeSource(from, source)
    const hash = keyedHash(this.keyLow, this.keyHigh, source, 0, length)
    // the lowest count: a quiet source rarely shares all of its cells with busy ones
    const step = (hash >>> 16) | 1
    let lowest = 0xffff
    for (let row = 0; row < ROWS; row++)
      lowest = Math.min(lowest, this.countIn(row * CELLS + ((hash + row * step) & (CELLS - 1))))
    return lowest
  }

  private countIn(cell: number): number {
    const { recent } = this
    if (recent[cell] < 0xffff) recent[cell]++
    return recent[cell]
  }
}
