import type { IdleTimer } from "./IdleTimer.ts"

/**
 * client: whether the application waits for something from the server, and when to ask for it.
 *
 * A client that only waits sends nothing, so it has no PTO. When its NAT forgets it meanwhile, what the server sends is
 * dropped, and the server's PTO does not help either. A PING does: the server learns the new address from it
 * (RFC 9000 §9.3), and if it is not acknowledged, the client has a PTO of its own. A connection nobody waits on stays
 * silent.
 */
export class AwaitedData {
  private readers = 0
  /** Waits that have ended since something arrived: whoever waits in their place goes on with them. */
  private abandoned = 0
  private sinceMicros = 0
  /** Doubled by each PING of the same wait. */
  private patience = 1

  /** A fiber begins to wait. Returns whether it is the only one, and `deadline` may change. */
  begin(nowMicros: number): boolean {
    if (this.abandoned > 0) this.abandoned--
    else {
      this.sinceMicros = nowMicros
      this.patience = 1
    }
    return this.readers++ === 0
  }

  /** Fibers wait no longer. */
  end(count: number): void {
    this.readers -= count
    this.abandoned += count
  }

  /** Something other than an ACK has arrived. */
  onArrival(): void {
    this.abandoned = 0
    this.patience = 1
  }

  /** When a PING is due; Infinity while nobody waits. */
  deadline(idle: IdleTimer, ptoMicros: number): number {
    return this.readers === 0
      ? Number.POSITIVE_INFINITY
      : idle.inquiryAt(this.sinceMicros, this.patience, ptoMicros)
  }

  onPing(): void {
    this.patience *= 2
  }
}
