import { ServicePace } from "./ServicePace.ts"
import type { Limits } from "./Limits.ts"
import type { Stranger } from "./Stranger.ts"

/** When a client has to validate its address before its handshake costs anything. RFC 9000 §8.1.2 */
export type RetryPolicy = "never" | "always" | "underLoad"

export interface AdmissionLimits extends Pick<Limits, "handshakes" | "waitingClients" | "retryHandshakes"> {
  readonly retry: RetryPolicy
  /** Clients that would wait longer than this are refused. */
  readonly patienceMicros: number
}

/** Unvalidated clients queue for this share of the patience at most; the rest is for those that answer a Retry. */
const UNVALIDATED_SHARE = 1 / 4

/**
 * Admission control for strangers: clients whose handshake is incomplete, possibly with forged addresses. RFC 9000
 * §21.2
 *
 * A client counts from its first Initial until its handshake is complete or given up. Cheap work is done when a
 * datagram arrives; a ClientHello is queued, so that a flood blocks neither established connections nor its own
 * handshakes. Handshakes in progress go first, then new clients in order of arrival; one that would wait too long is
 * refused at once.
 */
export class Admission<C> {
  private readonly limits: AdmissionLimits
  private readonly unfinished = new Map<C, Stranger<C>>()
  /** Clients with a connection and more of their ClientHello. */
  private readonly begun: Array<Stranger<C>> = []
  /** Clients without a connection; those before `head` have been served. */
  private readonly fresh: Array<Stranger<C>> = []
  private head = 0
  private readonly pace = new ServicePace()

  constructor(limits: AdmissionLimits) {
    this.limits = limits
  }

  /** Clients with an incomplete handshake. */
  get strangers(): number {
    return this.unfinished.size + this.waiting
  }

  /** Those without a connection. */
  get waiting(): number {
    return this.fresh.length - this.head
  }

  /** Whether `next` has somebody to serve. */
  get hasWaiting(): boolean {
    return this.begun.length > 0 || (this.waiting > 0 && this.mayBegin)
  }

  /** The decision about a new client. */
  judge(isProven: boolean): "turn" | "retry" | "refusal" {
    if (!isProven && this.wantsProof) return "retry"
    const isFull = this.waiting >= this.limits.waitingClients
    return isFull || this.wouldWaitTooLong(0) ? "refusal" : "turn"
  }

  /** Queues a stranger, once. */
  wait(stranger: Stranger<C>): void {
    if (stranger.isWaiting) return
    stranger.isWaiting = true
    if (stranger.connection === undefined) this.fresh.push(stranger)
    else this.begun.push(stranger)
  }

  /** The next stranger to serve. */
  next(nowMicros: number): Stranger<C> | undefined {
    const stranger = this.begun.shift() ?? (this.mayBegin ? this.shiftFresh() : undefined)
    if (stranger === undefined) return undefined
    stranger.isWaiting = false
    this.pace.onTurn(nowMicros, this.waiting > 0)
    return stranger
  }

  /** The next stranger that has waited, or would wait, too long. */
  nextOverdue(nowMicros: number): Stranger<C> | undefined {
    if (this.waiting === 0) return undefined
    const oldest = this.fresh[this.head]
    if (nowMicros - oldest.sinceMicros > this.limits.patienceMicros) return this.shiftFresh()
    const newest = this.fresh[this.fresh.length - 1]
    return this.wouldWaitTooLong(nowMicros - newest.sinceMicros) ? this.fresh.pop() : undefined
  }

  /** `connection` was created for `stranger`. */
  begin(stranger: Stranger<C>, connection: C): void {
    stranger.connection = connection
    this.unfinished.set(connection, stranger)
  }

  /** The stranger of a connection whose handshake is incomplete. */
  strangerOf(connection: C): Stranger<C> | undefined {
    return this.unfinished.get(connection)
  }

  /** The handshake is complete, or the connection is dropped. */
  end(connection: C): void {
    const stranger = this.unfinished.get(connection)
    if (stranger === undefined) return
    this.unfinished.delete(connection)
    if (stranger.isWaiting) this.begun.splice(this.begun.indexOf(stranger), 1)
  }

  private get mayBegin(): boolean {
    return this.unfinished.size < this.limits.handshakes
  }

  private get wantsProof(): boolean {
    const { retry, retryHandshakes } = this.limits
    if (retry !== "underLoad") return retry === "always"
    return (
      this.strangers >= retryHandshakes || this.queueMicros > this.limits.patienceMicros * UNVALIDATED_SHARE
    )
  }

  /** Whether the last in the queue, having waited this long, would be served too late. */
  private wouldWaitTooLong(waitedMicros: number): boolean {
    return waitedMicros + this.queueMicros > this.limits.patienceMicros
  }

  /** How long the queue takes to serve. */
  private get queueMicros(): number {
    return this.waiting * this.pace.microsEach
  }

  private shiftFresh(): Stranger<C> | undefined {
    if (this.waiting === 0) return undefined
    const stranger = this.fresh[this.head++]
    if (this.head * 2 >= this.fresh.length) {
      this.fresh.splice(0, this.head)
      this.head = 0
    }
    return stranger
  }
}
