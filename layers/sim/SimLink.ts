/** One direction of a simulated link: a queue drained at a rate, then random loss, then a delay. */
import { changed, type LinkConditions, type LinkModel } from "./linkConditions.ts"
import { delayOf } from "./delayModel.ts"
import { LossProcess } from "./LossModel.ts"
import { PacketQueue } from "./PacketQueue.ts"
import type { PacketFate, PacketTrace } from "./PacketTrace.ts"
import type { Partitions } from "./Partitions.ts"
import type { SeededRandom } from "./SeededRandom.ts"
import { type QueuedPacket, type SimEdge, type SimNode, type SimPacket, wireSize } from "./SimPacket.ts"
import type { Timeline } from "./Timeline.ts"

export { type LinkConditions, type LinkModel, perfectLink } from "./linkConditions.ts"

/**
 * Counters of the packets that entered a link.
 *
 * @category models
 * @since 0.1.0
 */
export class LinkCounters {
  /** Handed to the link. */
  entered = 0
  /** Passed on to the far end. */
  delivered = 0
  /** Lost at random. */
  lost = 0
  /** Dropped by `dropIf`, by a rewrite, by a partition, or because the link was down. */
  refused = 0
  /** Dropped because the queue was full or CoDel's delay was exceeded. */
  queueFull = 0
  /** Dropped because they exceed the MTU and must not be fragmented. */
  tooLarge = 0
  /** Marked CE. */
  marked = 0
  /** Delivered twice. */
  duplicated = 0
  /** Delivered with a flipped bit. */
  corrupted = 0
  /** Held back while others pass. */
  reordered = 0
}

/** Shared parts of the network. */
export interface LinkSurroundings {
  readonly timeline: Timeline
  readonly trace: PacketTrace
  readonly partitions: Partitions
}

const nanosPerMilli = 1_000_000

/**
 * One direction of a connection between two nodes.
 *
 * @category models
 * @since 0.1.0
 */
export class SimLink implements SimEdge {
  /** Name of the link in traces. */
  readonly name: string
  /** The sending node. */
  readonly from: SimNode
  /** The receiving node. */
  readonly to: SimNode
  /** The address of the far end, if that is a host. */
  toAddress: string | undefined
  /** What happened to the packets. */
  readonly counters = new LinkCounters()
  /** For tests: drops packets for which it returns true. `index` counts the packets that entered, from 0. */
  dropIf: ((packet: SimPacket, index: number) => boolean) | undefined = undefined
  /** Replaces the packet; undefined drops it. */
  rewrite: ((packet: SimPacket) => SimPacket | undefined) | undefined = undefined
  private base: LinkModel
  private current: LinkModel
  private readonly overlays: Array<Partial<LinkConditions>> = []
  private readonly around: LinkSurroundings
  private readonly random: SeededRandom
  private readonly loss = new LossProcess()
  private readonly queue: PacketQueue
  private isSending = false
  /** Earliest arrival that preserves packet order. */
  private lastArrivalNanos = 0

  /** @internal */
  constructor(
    name: string,
    from: SimNode,
    to: SimNode,
    toAddress: string | undefined,
    model: LinkModel,
    random: SeededRandom,
    around: LinkSurroundings
  ) {
    this.name = name
    this.from = from
    this.to = to
    this.toAddress = toAddress
    this.base = model
    this.current = model
    this.random = random
    this.around = around
    this.queue = new PacketQueue(
      model.queue,
      (packet) => this.drop("queueFull", "queue full", packet),
      () => this.counters.marked++
    )
  }

  /** Whether packets to this address end at the far end of this link. */
  leadsTo(address: string): boolean {
    return this.toAddress === undefined ? this.to.owns(address) : this.toAddress === address
  }

  /** The current conditions. */
  get conditions(): LinkModel {
    return this.current
  }

  /** Changes some conditions for packets that enter or leave the queue from now on. */
  set(conditions: Partial<LinkConditions>): void {
    this.base = changed(this.base, conditions, this.name)
    this.combine()
  }

  /**
   * Changes some conditions until the returned function is called. Of overlapping changes the latest wins, but the link is
   * up only if none of them takes it down.
   */
  overlay(conditions: Partial<LinkConditions>): () => void {
    changed(this.base, conditions, this.name)
    const overlay = { ...conditions }
    this.overlays.push(overlay)
    this.combine()
    return () => {
      const index = this.overlays.indexOf(overlay)
      if (index !== -1) this.overlays.splice(index, 1)
      this.combine()
    }
  }

  private combine(): void {
    let model = this.base
    for (const overlay of this.overlays) {
      model = changed(model, { ...overlay, up: model.up && overlay.up !== false }, this.name)
    }
    this.current = model
    this.queue.use(model.queue)
  }

  /** Bytes queued or being sent. */
  get queuedBytes(): number {
    return this.queue.bytes
  }

  /** Returns false if the packet is too large and the link reports it. */
  carry(packet: SimPacket): boolean {
    const { counters, current } = this
    const index = counters.entered++
    const size = wireSize(packet)
    this.around.trace.record("sent", packet, this.name)
    if (this.dropIf !== undefined || this.rewrite !== undefined) this.around.timeline.hasReachedProgram = true
    if (!current.up || this.isCut(packet) || this.dropIf?.(packet, index) === true) {
      this.drop("refused", "refused", packet)
    } else if (size > current.mtu && packet.dontFragment) {
      this.drop("tooLarge", "too large", packet)
      return current.tooLarge === "drop"
    } else if (!this.queue.fits(size)) {
      this.drop("queueFull", "queue full", packet)
    } else {
      this.queue.push(packet, size, this.around.timeline.nowNanos)
      if (!this.isSending) this.sendNext()
    }
    return true
  }

  private isCut(packet: SimPacket): boolean {
    const { partitions } = this.around
    return (
      partitions.separates(this.from.name, this.to.name) || partitions.separates(packet.origin, this.to.name)
    )
  }

  private drop(
    counter: "refused" | "tooLarge" | "queueFull" | "lost",
    fate: PacketFate,
    packet: SimPacket
  ): void {
    this.counters[counter]++
    this.around.trace.record(fate, packet, this.name)
  }

  /** Sends queued packets until the link is busy. */
  private sendNext(): void {
    const { queue } = this
    const { timeline } = this.around
    this.isSending = true
    for (;;) {
      const next = queue.take(timeline.nowNanos)
      if (next === undefined) break
      if (this.current.bitsPerSecond !== Infinity) {
        const nanos = (next.size * 8e9) / this.current.bitsPerSecond
        const proceed = (): void => {
          this.sent(next)
          this.sendNext()
        }
        timeline.at(timeline.nowNanos + nanos, proceed, true)
        return
      }
      this.sent(next)
    }
    this.isSending = false
  }

  private sent(entry: QueuedPacket): void {
    this.queue.sent(entry)
    this.propagate(entry.packet)
  }

  private propagate(packet: SimPacket): void {
    const { counters, current, random } = this
    const { timeline } = this.around
    // Draws the same number of times for every packet, so that their fates are independent.
    const delayMillis = delayOf(current.delay, random)
    const lost = this.loss.loses(current.loss, random)
    const corrupted = random.chance(current.corruptRate)
    const duplicated = random.chance(current.duplicateRate)
    const reordered = random.chance(current.reorderRate)
    const bit = random.below(packet.bytes.length * 8)
    if (lost) return this.drop("lost", "lost", packet)
    if (corrupted && packet.bytes.length > 0) {
      counters.corrupted++
      packet.bytes[bit >> 3] ^= 1 << (bit & 7)
    }
    let arrival = Math.max(timeline.nowNanos + delayMillis * nanosPerMilli, this.lastArrivalNanos)
    if (reordered) {
      counters.reordered++
      arrival += current.reorderMillis * nanosPerMilli
    } else {
      this.lastArrivalNanos = arrival
    }
    timeline.at(arrival, () => this.deliver(packet), true)
    if (duplicated) {
      counters.duplicated++
      // A copy, because receivers decrypt in place.
      const twin = { ...packet, bytes: packet.bytes.slice() }
      timeline.at(arrival, () => this.deliver(twin), true)
    }
  }

  private deliver(packet: SimPacket): void {
    if (this.rewrite !== undefined) this.around.timeline.hasReachedProgram = true
    const outgoing = this.rewrite === undefined ? packet : this.rewrite(packet)
    if (outgoing === undefined) return this.drop("refused", "refused", packet)
    this.counters.delivered++
    this.to.receive(outgoing)
  }
}
