import { ServicePace } from "./ServicePace.ts"
import type { Stranger } from "./Stranger.ts"

/** When a client has to prove its address before its handshake costs anything. RFC 9000 §8.1.2 */
export interface RetryPolicy {
  readonly when: "never" | "always" | "underLoad"
  /** `underLoad`: from this many strangers on. */
  readonly handshakes: number
}

export interface AdmissionLimits {
  readonly retry: RetryPolicy
  /** Strangers at most, those that wait for their turn among them. */
  readonly maxHandshakes: number
  /** Who cannot have its turn within this time is refused instead. */
  readonly patienceMicros: number
}

/**
 * Decides about strangers: clients whose handshake is not complete, and who may be anybody. RFC 9000 §21.2
 *
 * One counts from its first Initial until it has completed the handshake or is forgotten. What costs little is done
 * when a datagram comes; a ClientHello waits for its turn, so that a crowd can keep neither the connections that are
 * there nor its own handshakes from going on. Those begun go first; of the others, whoever came first, and whoever
 * would have its turn too late is not kept waiting for that.
 */
export class Admission<C> {
  private readonly limits: AdmissionLimits
  private readonly unfinished = new Map<C, Stranger<C>>()
  /** With a connection, and more of their ClientHello. */
  private readonly begun: Array<Stranger<C>> = []
  /** Without; those before `head` have had their turn. */
  private readonly fresh: Array<Stranger<C>> = []
  private head = 0
  private readonly pace = new ServicePace()

  constructor(limits: AdmissionLimits) {
    this.limits = limits
  }

  /** Everybody who has not completed the handshake. */
  get strangers(): number {
    return this.unfinished.size + this.waiting
  }

  /** Those of them that nothing has been made of. */
  get waiting(): number {
    return this.fresh.length - this.head
  }

  get hasWaiting(): boolean {
    return this.begun.length > 0 || this.waiting > 0
  }

  /** What a newcomer gets. */
  judge(isProven: boolean): "turn" | "retry" | "refusal" {
    if (!isProven && this.wantsProof) return "retry"
    const isFull = this.strangers >= this.limits.maxHandshakes
    return isFull || this.isHopeless(0) ? "refusal" : "turn"
  }

  /** Puts a stranger in line, once. */
  wait(stranger: Stranger<C>): void {
    if (stranger.isWaiting) return
    stranger.isWaiting = true
    if (stranger.connection === undefined) this.fresh.push(stranger)
    else this.begun.push(stranger)
  }

  /** Whose turn it is. */
  next(nowMicros: number): Stranger<C> | undefined {
    const stranger = this.begun.shift() ?? this.shiftFresh()
    if (stranger === undefined) return undefined
    stranger.isWaiting = false
    this.pace.onTurn(nowMicros, this.hasWaiting)
    return stranger
  }

  /** One who waits in vain: it has for too long, or would. */
  nextHopeless(nowMicros: number): Stranger<C> | undefined {
    if (this.waiting === 0) return undefined
    const oldest = this.fresh[this.head]
    if (nowMicros - oldest.sinceMicros > this.limits.patienceMicros) return this.shiftFresh()
    const newest = this.fresh[this.fresh.length - 1]
    return this.isHopeless(nowMicros - newest.sinceMicros) ? this.fresh.pop() : undefined
  }

  /** `connection` is what has become of `stranger`. */
  begin(stranger: Stranger<C>, connection: C): void {
    stranger.connection = connection
    this.unfinished.set(connection, stranger)
  }

  /** The stranger that `connection` still is. */
  strangerOf(connection: C): Stranger<C> | undefined {
    return this.unfinished.get(connection)
  }

  /** Has completed the handshake, or is forgotten. */
  end(connection: C): void {
    const stranger = this.unfinished.get(connection)
    if (stranger === undefined) return
    this.unfinished.delete(connection)
    if (stranger.isWaiting) this.begun.splice(this.begun.indexOf(stranger), 1)
  }

  private get wantsProof(): boolean {
    const { when, handshakes } = this.limits.retry
    return when === "always" || (when === "underLoad" && this.strangers >= handshakes)
  }

  /** Whoever is last in line, and has waited that long, would have its turn too late. */
  private isHopeless(waitedMicros: number): boolean {
    return waitedMicros + this.waiting * this.pace.microsEach > this.limits.patienceMicros
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
