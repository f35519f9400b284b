import type { RandomBytes } from "../internal/RandomBytes.ts"
import type { SocketAddress } from "../wire/SocketAddress.ts"
import { ClientQueue } from "./ClientQueue.ts"
import type { Limits } from "./Limits.ts"
import { ServicePace } from "./ServicePace.ts"
import type { Stranger } from "./Stranger.ts"

/** When a client has to validate its address before its handshake costs anything. RFC 9000 §8.1.2 */
export type RetryPolicy = "never" | "always" | "underLoad"

export interface AdmissionLimits
  extends Pick<Limits, "handshakes" | "handshakesPerSource" | "waitingClients" | "retryHandshakes"> {
  readonly retry: RetryPolicy
  /** Clients that would wait longer than this are refused. */
  readonly patienceMicros: number
}

/** Unvalidated clients queue for this share of the patience at most; the rest is for those that answer a Retry. */
const UNVALIDATED_SHARE = 1 / 4

/** Most failures that are remembered, in multiples of `retryHandshakes`, which are forgotten in a second. */
const MOST_FAILURES = 2

/** Of the handshakes in flight, the share that sources with many may use. */
const SHARE_OF_MANY = 4 / 5

/**
 * Admission control for strangers: clients whose handshake is incomplete, possibly with forged addresses. RFC 9000
 * §21.2
 *
 * A client counts from its first Initial until its handshake is complete or given up. Cheap work is done when a
 * datagram arrives; a ClientHello is queued, so that a flood blocks neither established connections nor its own
 * handshakes. Handshakes in progress go first, then new clients, in turns by source; one that would wait too long is
 * refused at once. In a full queue the source with the most clients gives a place to one with fewer.
 */
export class Admission<C> {
  private readonly limits: AdmissionLimits
  private readonly unfinished = new Map<C, Stranger<C>>()
  /** Clients with a connection and more of their ClientHello. */
  private readonly begun: Array<Stranger<C>> = []
  /** Clients without a connection. */
  private readonly fresh: ClientQueue<C>
  private readonly pace: ServicePace
  /** Handshakes that failed of late: their work was in vain, though they are in flight no more. */
  private failures = 0
  private forgotMicros = 0

  constructor(limits: AdmissionLimits, random: RandomBytes) {
    this.limits = limits
    // as far back as the estimate looks ahead
    this.pace = new ServicePace(limits.patienceMicros)
    const { handshakes, handshakesPerSource } = limits
    const most = Math.max(handshakesPerSource, Math.floor(handshakes * SHARE_OF_MANY))
    this.fresh = new ClientQueue(handshakesPerSource, most, random)
  }

  /** Clients with an incomplete handshake. */
  get strangers(): number {
    return this.unfinished.size + this.waiting
  }

  /** Those without a connection. */
  get waiting(): number {
    return this.fresh.length
  }

  /** The sources that strangers come from. */
  get sources(): number {
    return this.fresh.sourceCount
  }

  /** Whether `next` has somebody to serve. */
  get hasWaiting(): boolean {
    return this.begun.length > 0 || (this.mayBegin && this.fresh.hasNext)
  }

  /** When a client that waits for handshakes in flight to end will have waited too long. */
  get deadlineMicros(): number {
    if (this.waiting === 0 || this.hasWaiting) return Number.POSITIVE_INFINITY
    return this.fresh.oldest!.waiting.first!.sinceMicros + this.limits.patienceMicros + 1
  }

  /** The decision about a new client. */
  judge(from: SocketAddress, isProven: boolean, nowMicros: number): "turn" | "retry" | "refusal" {
    this.forgetFailures(nowMicros)
    if (!isProven && this.wantsProof) return "retry"
    const { fresh } = this
    const own = fresh.find(from)?.waiting.length ?? 0
    if (this.wouldWaitTooLong(0, own + 1)) return "refusal"
    const isFull = this.waiting >= this.limits.waitingClients
    return isFull && fresh.longest!.waiting.length <= own + 1 ? "refusal" : "turn"
  }

  /** Queues a stranger, once. Returns another one that has to leave the full queue for it. */
  wait(stranger: Stranger<C>): Stranger<C> | undefined {
    if (stranger.isWaiting) return undefined
    stranger.isWaiting = true
    if (stranger.connection !== undefined) {
      this.begun.push(stranger)
      return undefined
    }
    this.fresh.push(stranger)
    return this.waiting > this.limits.waitingClients ? this.fresh.popOf(this.fresh.longest!) : undefined
  }

  /** The next stranger to serve. */
  next(nowMicros: number): Stranger<C> | undefined {
    const stranger = this.begun.shift() ?? (this.mayBegin ? this.fresh.shift() : undefined)
    if (stranger === undefined) return undefined
    stranger.isWaiting = false
    this.pace.onTurn(nowMicros, this.hasWaiting)
    return stranger
  }

  /** The next stranger that has waited, or would wait, too long. */
  nextOverdue(nowMicros: number): Stranger<C> | undefined {
    const { fresh } = this
    const { oldest, longest } = fresh
    if (oldest === undefined || longest === undefined) return undefined
    if (nowMicros - oldest.waiting.first!.sinceMicros > this.limits.patienceMicros)
      return fresh.shiftOf(oldest)
    const waitedMicros = nowMicros - longest.waiting.last!.sinceMicros
    return this.wouldWaitTooLong(waitedMicros, longest.waiting.length) ? fresh.popOf(longest) : undefined
  }

  /** Removes a stranger whose turn will not come. */
  dismissWaiting(): Stranger<C> | undefined {
    const { longest } = this.fresh
    return longest && this.fresh.shiftOf(longest)
  }

  /** `connection` was created for `stranger`. */
  begin(stranger: Stranger<C>, connection: C): void {
    stranger.connection = connection
    this.unfinished.set(connection, stranger)
    this.fresh.begin(stranger.introduction.from)
    if (!this.hasWaiting) this.pace.pause()
  }

  /** The stranger of a connection whose handshake is incomplete. */
  strangerOf(connection: C): Stranger<C> | undefined {
    return this.unfinished.get(connection)
  }

  /** The handshake is complete, or the connection is dropped. */
  end(connection: C, isComplete: boolean): void {
    const stranger = this.unfinished.get(connection)
    if (stranger === undefined) return
    this.unfinished.delete(connection)
    this.fresh.end(stranger.introduction.from, isComplete)
    const { retryHandshakes } = this.limits
    if (!isComplete) this.failures = Math.min(this.failures + 1, MOST_FAILURES * retryHandshakes)
    if (stranger.isWaiting) this.begun.splice(this.begun.indexOf(stranger), 1)
  }

  private get mayBegin(): boolean {
    return this.unfinished.size < this.limits.handshakes
  }

  private forgetFailures(nowMicros: number): void {
    const forgotten = ((nowMicros - this.forgotMicros) / 1_000_000) * this.limits.retryHandshakes
    this.failures = Math.max(0, this.failures - forgotten)
    this.forgotMicros = nowMicros
  }

  private get wantsProof(): boolean {
    const { retry, retryHandshakes, patienceMicros } = this.limits
    if (retry !== "underLoad") return retry === "always"
    return (
      this.strangers + this.failures >= retryHandshakes ||
      this.waiting * this.pace.microsEach > patienceMicros * UNVALIDATED_SHARE
    )
  }

  /** Whether a client that has waited this long, at a position among those of its source, would be served too late. */
  private wouldWaitTooLong(waitedMicros: number, position: number): boolean {
    return waitedMicros + this.fresh.ahead(position) * this.pace.microsEach > this.limits.patienceMicros
  }
}
