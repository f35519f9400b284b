/** One direction of a simulated cable: a queue drained at a rate, then a delay, then chance. */
import type { PacketTrace } from "./PacketTrace.ts"
import type { SeededRandom } from "./SeededRandom.ts"
import { type SimNode, type SimPacket, wireSize } from "./SimPacket.ts"
import type { Timeline } from "./Timeline.ts"

/** What a link does to packets. Rates of misfortune are probabilities per packet. */
export interface LinkConditions {
  /** Carries nothing while false. */
  readonly up: boolean
  readonly delayMillis: number
  /** Up to this much is added to the delay, without changing the order. */
  readonly jitterMillis: number
  /** Infinity for no limit; counts IP and UDP headers. */
  readonly bitsPerSecond: number
  /** What waits for its turn at that rate; a packet that does not fit is dropped. */
  readonly queueBytes: number
  /** Packets that can carry the mark and find more than this waiting are marked CE. RFC 3168 §5 */
  readonly markAboveBytes: number
  /** The largest packet, headers included; a larger one is dropped, or carried in fragments if its sender allows. */
  readonly mtu: number
  readonly lossRate: number
  readonly duplicateRate: number
  /** One bit is flipped. */
  readonly corruptRate: number
  /** The packet is held for `reorderMillis` more while later ones pass. */
  readonly reorderRate: number
  readonly reorderMillis: number
}

export const perfectLink: LinkConditions = {
  up: true,
  delayMillis: 0,
  jitterMillis: 0,
  bitsPerSecond: Infinity,
  queueBytes: 256 * 1024,
  markAboveBytes: Infinity,
  mtu: 1500,
  lossRate: 0,
  duplicateRate: 0,
  corruptRate: 0,
  reorderRate: 0,
  reorderMillis: 10
}

/** What became of the packets that entered a link. */
export class LinkCounters {
  entered = 0
  delivered = 0
  lost = 0
  /** Dropped by `dropIf`, by a rewrite, or because the link was down. */
  refused = 0
  queueFull = 0
  tooLarge = 0
  marked = 0
  duplicated = 0
  corrupted = 0
  reordered = 0
}

const nanosPerMilli = 1_000_000

export class SimLink {
  readonly name: string
  readonly counters = new LinkCounters()
  conditions: LinkConditions
  /** A test's veto: packets for which it returns true are dropped. `index` counts the packets that entered, from 0. */
  dropIf: ((packet: SimPacket, index: number) => boolean) | undefined = undefined
  /** What leaves the link in place of the packet; undefined drops it. For address translation. */
  rewrite: ((packet: SimPacket) => SimPacket | undefined) | undefined = undefined
  private readonly to: SimNode
  private readonly timeline: Timeline
  private readonly random: SeededRandom
  private readonly trace: PacketTrace
  /** What waited for its turn at `backlogAtNanos`. */
  private backlogBytes = 0
  private backlogAtNanos = 0
  /** No packet in order arrives before this. */
  private lastArrivalNanos = 0

  constructor(
    name: string,
    to: SimNode,
    conditions: LinkConditions,
    timeline: Timeline,
    random: SeededRandom,
    trace: PacketTrace
  ) {
    this.name = name
    this.to = to
    this.conditions = conditions
    this.timeline = timeline
    this.random = random
    this.trace = trace
  }

  /** Changes some conditions for the packets that enter from now on. */
  set(conditions: Partial<LinkConditions>): void {
    // What waits was drained at the old rate until now.
    this.queuedBytes()
    this.conditions = { ...this.conditions, ...conditions }
  }

  /** Brings what waits for its turn up to date and returns it, in bytes. */
  private queuedBytes(): number {
    const elapsed = this.timeline.nowNanos - this.backlogAtNanos
    if (elapsed > 0) {
      this.backlogBytes = Math.max(0, this.backlogBytes - (elapsed * this.conditions.bitsPerSecond) / 8e9)
      this.backlogAtNanos = this.timeline.nowNanos
    }
    return this.backlogBytes
  }

  carry(packet: SimPacket): void {
    const { counters, conditions } = this
    const index = counters.entered++
    const size = wireSize(packet)
    this.trace.record("sent", packet)
    if (!conditions.up || this.dropIf?.(packet, index) === true) {
      counters.refused++
      this.trace.record("refused", packet)
    } else if (size > conditions.mtu && packet.dontFragment) {
      counters.tooLarge++
      this.trace.record("too large", packet)
    } else if (this.queuedBytes() + size > conditions.queueBytes) {
      counters.queueFull++
      this.trace.record("queue full", packet)
    } else {
      this.transmit(this.mark(packet), size)
    }
  }

  private mark(packet: SimPacket): SimPacket {
    if (packet.ecn === 0 || packet.ecn === 3 || this.queuedBytes() <= this.conditions.markAboveBytes)
      return packet
    this.counters.marked++
    return { ...packet, ecn: 3 }
  }

  private transmit(packet: SimPacket, size: number): void {
    const { conditions, counters, random, timeline } = this
    this.backlogBytes = conditions.bitsPerSecond === Infinity ? 0 : this.queuedBytes() + size
    const sent = timeline.nowNanos + (this.backlogBytes * 8e9) / conditions.bitsPerSecond
    // Every packet draws the same number of times, so that the fate of one does not depend on that of another.
    const jitter = random.nextDoubleUnsafe() * conditions.jitterMillis
    const lost = random.chance(conditions.lossRate)
    const corrupted = random.chance(conditions.corruptRate)
    const duplicated = random.chance(conditions.duplicateRate)
    const reordered = random.chance(conditions.reorderRate)
    const bit = random.below(packet.bytes.length * 8)
    if (lost) {
      counters.lost++
      this.trace.record("lost", packet)
      return
    }
    if (corrupted && packet.bytes.length > 0) {
      counters.corrupted++
      packet.bytes[bit >> 3] ^= 1 << (bit & 7)
    }
    let arrival = Math.max(sent + (conditions.delayMillis + jitter) * nanosPerMilli, this.lastArrivalNanos)
    if (reordered) {
      counters.reordered++
      arrival += conditions.reorderMillis * nanosPerMilli
    } else {
      this.lastArrivalNanos = arrival
    }
    timeline.at(arrival, () => this.deliver(packet))
    if (duplicated) {
      counters.duplicated++
      // A copy, because receivers decrypt in place.
      const twin = { ...packet, bytes: packet.bytes.slice() }
      timeline.at(arrival, () => this.deliver(twin))
    }
  }

  private deliver(packet: SimPacket): void {
    const outgoing = this.rewrite === undefined ? packet : this.rewrite(packet)
    if (outgoing === undefined) {
      this.counters.refused++
      this.trace.record("refused", packet)
      return
    }
    this.counters.delivered++
    this.to.receive(outgoing)
  }
}
