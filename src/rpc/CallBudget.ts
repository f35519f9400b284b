/** What all open calls of a server make it hold. Beyond the limit, whoever holds most loses most. */

/** A call, as far as the budget is concerned. */
export interface BudgetedCall {
  /** Its connection. */
  readonly owner: object
  /** What it holds now, beyond `CALL_BYTES`. */
  readonly holds: number
  /** What it was last charged for; changed by the budget only. */
  charged: number
  /** Ends the call, which is charged no more. */
  readonly evict: () => void
}

/** Counted for every call: its fiber, its parser and its places in maps, roughly. */
export const CALL_BYTES = 1024

interface Holder {
  charged: number
  readonly calls: Set<BudgetedCall>
}

/**
 * Charges are only raised as they happen. What calls hold shrinks without notice, as the peer acknowledges it, so they
 * are measured again before anybody is evicted.
 */
export class CallBudget {
  private readonly limit: number
  private readonly holders = new Map<object, Holder>()
  private total = 0

  constructor(limit: number) {
    this.limit = limit
  }

  /** At least what open calls hold. */
  get charged(): number {
    return this.total
  }

  open(call: BudgetedCall): void {
    let holder = this.holders.get(call.owner)
    if (holder === undefined) {
      holder = { charged: 0, calls: new Set() }
      this.holders.set(call.owner, holder)
    }
    holder.calls.add(call)
    this.raise(call)
  }

  /** To be called when an open call holds more; does nothing for one that has been evicted. */
  raise(call: BudgetedCall): void {
    const holder = this.holders.get(call.owner)
    if (!holder?.calls.has(call)) return
    this.measure(holder, call)
    while (this.total > this.limit) this.makeRoom()
  }

  /** Idempotent. */
  close(call: BudgetedCall): void {
    const holder = this.holders.get(call.owner)
    if (!holder?.calls.delete(call)) return
    this.charge(holder, call, 0)
    if (holder.calls.size === 0) this.holders.delete(call.owner)
  }

  private measure(holder: Holder, call: BudgetedCall): void {
    this.charge(holder, call, CALL_BYTES + call.holds)
  }

  private charge(holder: Holder, call: BudgetedCall, bytes: number): void {
    const more = bytes - call.charged
    call.charged = bytes
    holder.charged += more
    this.total += more
  }

  /** Measures the calls of whoever is charged most, and ends the largest if that is still true. */
  private makeRoom(): void {
    let most: Holder | undefined
    for (const holder of this.holders.values()) {
      if (most === undefined || holder.charged > most.charged) most = holder
    }
    const before = most!.charged
    let largest: BudgetedCall | undefined
    for (const call of most!.calls) {
      this.measure(most!, call)
      // of equal calls the oldest: the newest may be an honest one
      if (largest === undefined || call.charged > largest.charged) largest = call
    }
    if (most!.charged < before) return
    this.close(largest!)
    largest!.evict()
  }
}
