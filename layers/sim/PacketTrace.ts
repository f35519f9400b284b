/** A trace of packet events: a digest for comparing runs, and the latest events for failure reports. */
import { createHash } from "node:crypto"
import { formatAddress } from "../../src/wire/SocketAddress.ts"
import type { SimPacket } from "./SimPacket.ts"
import type { Timeline } from "./Timeline.ts"

/**
 * `no socket`: nothing is bound at the destination; `no route`: the host or router has no route there; `no mapping`: the
 * NAT has no mapping for the destination, or no room to map the source; `filtered`: the NAT has a mapping but does not
 * permit this sender.
 */
export type PacketFate =
  | "sent"
  | "arrived"
  | "lost"
  | "refused"
  | "too large"
  | "queue full"
  | "no socket"
  | "no route"
  | "ttl expired"
  | "no mapping"
  | "filtered"
  | "host down"

interface TraceEntry {
  readonly atNanos: number
  readonly fate: PacketFate
  readonly from: string
  readonly to: string
  readonly what: string
  readonly where: string
}

const remembered = 32

export class PacketTrace {
  private readonly timeline: Timeline
  private readonly hash = createHash("sha256")
  private readonly recent: Array<TraceEntry> = []
  private recorded = 0

  constructor(timeline: Timeline) {
    this.timeline = timeline
  }

  /** `where` is the name of a link or of a node. */
  record(fate: PacketFate, packet: SimPacket, where: string): void {
    const atNanos = this.timeline.nowNanos
    const from = formatAddress(packet.from)
    const to = formatAddress(packet.to)
    const what = packet.icmp === undefined ? `${packet.bytes.length} B` : `ICMP: at most ${packet.icmp.mtu} B`
    this.hash.update(`${atNanos} ${fate} ${from} ${to} ${packet.ecn} ${what} ${where}\n`)
    this.hash.update(packet.bytes)
    this.recent[this.recorded++ % remembered] = { atNanos, fate, from, to, what, where }
  }

  /** SHA-256 of time, place, fate, addresses, ECN and bytes of all events: equal digests mean equal traces. */
  digest(): string {
    return this.hash.copy().digest("hex")
  }

  /** The last packets, oldest first, one line each. */
  lines(): Array<string> {
    const split = this.recorded % remembered
    const entries =
      this.recorded <= remembered
        ? this.recent
        : [...this.recent.slice(split), ...this.recent.slice(0, split)]
    return entries.map(
      ({ atNanos, fate, from, to, what, where }) =>
        `${(atNanos / 1e9).toFixed(6).padStart(12)} s  ${from} > ${to}  ${what}  ${fate}: ${where}`
    )
  }
}
