/** RFC 9000 §7.2: MUST be discarded; a handshake with a peer that keeps sending such packets is ended. */
export const CHANGED_ID = "from another Source Connection ID than its first"

/**
 * Why packets of the peer were discarded during the handshake, for the error when it fails. The reasons are constants,
 * so a peer cannot make the map grow.
 */
export class Discards {
  /** Since the last accepted packet. */
  private counts: Map<string, number> | undefined = undefined

  note(why: string): void {
    this.counts ??= new Map()
    this.counts.set(why, (this.counts.get(why) ?? 0) + 1)
  }

  /** A packet was accepted: earlier discards did no harm. */
  clear(): void {
    this.counts = undefined
  }

  has(why: string): boolean {
    return this.counts?.has(why) === true
  }

  /** Human-readable; undefined when nothing was discarded. */
  get summary(): string | undefined {
    if (this.counts === undefined) return undefined
    return [...this.counts]
      .map(([why, count]) => `${count} ${count === 1 ? "packet" : "packets"} ${why}`)
      .join(", ")
  }
}
