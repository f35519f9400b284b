/** RFC 9000 §7.2: MUST be discarded, which a handshake with a peer that goes on like that does not survive. */
export const CHANGED_ID = "from another Source Connection ID than its first"

/**
 * Why packets of the peer's were discarded in the handshake: what there is to say when nothing comes of it. The reasons
 * are constants of ours, so that what is kept does not grow with what anybody sends.
 */
export class Discards {
  /** Since the last packet that was not. */
  private counts: Map<string, number> | undefined = undefined

  note(why: string): void {
    this.counts ??= new Map()
    this.counts.set(why, (this.counts.get(why) ?? 0) + 1)
  }

  /** A packet was taken, so that those before have done no harm. */
  clear(): void {
    this.counts = undefined
  }

  has(why: string): boolean {
    return this.counts?.has(why) === true
  }

  /** For people; undefined when there is nothing to say. */
  get summary(): string | undefined {
    if (this.counts === undefined) return undefined
    return [...this.counts]
      .map(([why, count]) => `${count} ${count === 1 ? "packet" : "packets"} ${why}`)
      .join(", ")
  }
}
