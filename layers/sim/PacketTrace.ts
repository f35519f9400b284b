/** A trace of packet events: a digest for comparing runs, and the latest events for failure reports. */
import { createHash } from "node:crypto"
import { formatAddress } from "../../src/wire/SocketAddress.ts"
import type { SimPacket } from "./SimPacket.ts"
import type { Timeline } from "./Timeline.ts"

/**
 * What has become of a packet at one place.
 *
 * `no socket`: nothing is bound at the destination; `no route`: the host or router has no route there; `no mapping`: the
 * NAT has no mapping for the destination, or no room to map the source; `filtered`: the NAT has a mapping but does not
 * permit this sender.
 *
 * @category models
 * @since 0.1.0
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
  readonly packet: SimPacket
  readonly where: string
}

const remembered = 32
/** Events are hashed this many bytes at a time: a call of the hash costs more than to hash what a packet carries. */
const stagedBytes = 65_536
const encoder = new TextEncoder()

/**
 * What has happened to packets, up to now.
 *
 * @category models
 * @since 0.1.0
 */
export class PacketTrace {
  private readonly timeline: Timeline
  private readonly hash = createHash("sha256")
  private readonly recent: Array<TraceEntry> = []
  private recorded = 0
  private readonly staged = new Uint8Array(stagedBytes)
  private stagedEnd = 0

  /** @internal */
  constructor(timeline: Timeline) {
    this.timeline = timeline
  }

  /** `where` is the name of a link or of a node. */
  record(fate: PacketFate, packet: SimPacket, where: string): void {
    const atNanos = this.timeline.nowNanos
    const { from, to, ecn } = packet
    this.stageText(
      `${atNanos} ${fate} ${formatAddress(from)} ${formatAddress(to)} ${ecn} ${what(packet)} ${where}\n`
    )
    this.stage(packet.bytes)
    this.recent[this.recorded++ % remembered] = { atNanos, fate, packet, where }
  }

  private stageText(text: string): void {
    // UTF-8 takes at most three bytes for each unit
    if (this.stagedEnd + 3 * text.length > stagedBytes) this.hashStaged()
    const room = this.staged.subarray(this.stagedEnd)
    const { read, written } = encoder.encodeInto(text, room)
    if (read === text.length) this.stagedEnd += written
    else this.hash.update(text)
  }

  /** Copies: the bytes may be changed later. */
  private stage(bytes: Uint8Array): void {
    if (this.stagedEnd + bytes.length > stagedBytes) this.hashStaged()
    this.staged.set(bytes, this.stagedEnd)
    this.stagedEnd += bytes.length
  }

  private hashStaged(): void {
    this.hash.update(this.staged.subarray(0, this.stagedEnd))
    this.stagedEnd = 0
  }

  /** SHA-256 of time, place, fate, addresses, ECN and bytes of all events: equal digests mean equal traces. */
  digest(): string {
    this.hashStaged()
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
      ({ atNanos, fate, packet, where }) =>
        `${(atNanos / 1e9).toFixed(6).padStart(12)} s  ${formatAddress(packet.from)} > ${formatAddress(packet.to)}  ${what(packet)}  ${fate}: ${where}`
    )
  }
}

const what = ({ icmp, bytes, isSegment }: SimPacket): string => {
  if (icmp !== undefined) return `ICMP: at most ${icmp.mtu} B`
  return isSegment === true ? `segment, ${bytes.length} B` : `${bytes.length} B`
}
