/** What a host has been told about the packet sizes its destinations can be reached with. */
import type { Timeline } from "./Timeline.ts"

/** After this a larger size may be tried again. RFC 1191 §6.3 */
const lifetimeNanos = 600e9
const maxRemembered = 1024

export class PathMtus {
  private readonly timeline: Timeline
  private readonly known = new Map<string, { readonly mtu: number; readonly untilNanos: number }>()

  constructor(timeline: Timeline) {
    this.timeline = timeline
  }

  /** The largest packet to this host, headers included, as far as is known; Infinity if nothing is. */
  to(host: string): number {
    const entry = this.known.get(host)
    return entry !== undefined && this.timeline.nowNanos < entry.untilNanos ? entry.mtu : Infinity
  }

  learn(host: string, mtu: number): void {
    this.known.delete(host)
    if (this.known.size === maxRemembered) {
      const [oldest] = this.known.keys()
      this.known.delete(oldest)
    }
    this.known.set(host, { mtu, untilNanos: this.timeline.nowNanos + lifetimeNanos })
  }

  forget(): void {
    this.known.clear()
  }
}
