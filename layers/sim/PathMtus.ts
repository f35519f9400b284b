/** Path MTUs a host has learned from ICMP. */
import type { Timeline } from "./Timeline.ts"

/** After this time a larger size may be tried again. RFC 1191 §6.3 */
const lifetimeNanos = 600e9
const maxRemembered = 1024

export class PathMtus {
  private readonly timeline: Timeline
  private readonly known = new Map<string, { readonly mtu: number; readonly untilNanos: number }>()

  constructor(timeline: Timeline) {
    this.timeline = timeline
  }

  /** The largest known packet size to this host, including headers; Infinity if unknown. */
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
