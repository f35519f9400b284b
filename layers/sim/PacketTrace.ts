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
/** Beyond that, those of before get new numbers: a flood from made-up addresses takes no memory. */
const maxNumbered = 4096
/** Of each event, before the bytes of the packet. */
const headBytes = 36

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
  private readonly head = new DataView(this.staged.buffer)
  private readonly numbers = new Map<string, number>()
  private nextNumber = 0
  private readonly names = createHash("sha256")
  private stagedEnd = 0

  /** @internal */
  constructor(timeline: Timeline) {
    this.timeline = timeline
  }

  /** `where` is the name of a link or of a node. */
  record(fate: PacketFate, packet: SimPacket, where: string): void {
    const atNanos = this.timeline.nowNanos
    const { from, to, ecn, icmp, bytes } = packet
    if (this.stagedEnd + headBytes > stagedBytes) this.hashStaged()
    const { head, stagedEnd } = this
    head.setFloat64(stagedEnd, atNanos)
    head.setUint32(stagedEnd + 8, this.numberOf(fate))
    head.setUint32(stagedEnd + 12, this.numberOf(where))
    head.setUint32(stagedEnd + 16, this.numberOf(from.host))
    head.setUint32(stagedEnd + 20, this.numberOf(to.host))
    head.setUint16(stagedEnd + 24, from.port)
    head.setUint16(stagedEnd + 26, to.port)
    head.setUint32(stagedEnd + 28, (bytes.length << 4) | (packet.isSegment === true ? 8 : 0) | ecn)
    head.setUint32(stagedEnd + 32, icmp?.mtu ?? 0)
    this.stagedEnd = stagedEnd + headBytes
    this.stage(bytes)
    this.recent[this.recorded++ % remembered] = { atNanos, fate, packet, where }
  }

  /** Names and addresses are hashed when they first occur, and are numbers from then on. */
  private numberOf(name: string): number {
    const known = this.numbers.get(name)
    if (known !== undefined) return known
    if (this.numbers.size === maxNumbered) this.numbers.clear()
    const number = this.nextNumber++
    this.names.update(`${number} ${name}\n`)
    this.numbers.set(name, number)
    return number
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
    return this.hash.copy().update(this.names.copy().digest()).digest("hex")
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
