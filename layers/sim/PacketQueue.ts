/** The queue in front of a link, and its drop policy. */
import { Codel, type ControlledQueue } from "./Codel.ts"
import { checkFields, checkInteger, checkOneOf, checkRange } from "./simConfig.ts"
import { canBeMarked, type QueuedPacket, type SimPacket } from "./SimPacket.ts"

/**
 * Limits of a queue. Both include the packet being sent and default to none. Sizes include IP and UDP headers.
 *
 * @category models
 * @since 0.1.0
 */
export interface QueueLimits {
  /** At least 1; default none. */
  readonly maxBytes?: number
  /** At least 1; default none. */
  readonly maxPackets?: number
}

/**
 * The queue in front of a link: plain tail drop, or CoDel.
 *
 * @category models
 * @since 0.1.0
 */
export type QueueModel =
  | (QueueLimits & {
      /** Packets that do not fit are dropped. */
      readonly kind: "tailDrop"
      /** ECN-capable packets are marked CE if more than this is queued. Default none. RFC 3168 §5 */
      readonly markAboveBytes?: number
    })
  | (QueueLimits & {
      /** Packets are dropped at the head while the queuing delay stays above the target. RFC 8289 */
      readonly kind: "codel"
      /** Maximum standing delay. Default 5, 0.001 to 10,000. */
      readonly targetMillis?: number
      /** How long the delay may stay above the target; about the largest round-trip time. Default 100, 0.001 to 100,000. */
      readonly intervalMillis?: number
      /** ECN-capable packets are marked CE instead of dropped. Default false. RFC 8289 §4.1 */
      readonly ecn?: boolean
    })

export class PacketQueue implements ControlledQueue {
  /** Queued bytes, including the packet being sent. */
  bytes = 0
  packets = 0
  /** Excludes the packet being sent. */
  private queued: Array<QueuedPacket> = []
  private head = 0
  private model: QueueModel
  private codel: Codel | undefined
  private readonly onDrop: (packet: SimPacket) => void
  private readonly onMark: () => void

  /** `onDrop` and `onMark` are called for packets dropped or marked at the head. */
  constructor(model: QueueModel, onDrop: (packet: SimPacket) => void, onMark: () => void) {
    this.model = model
    this.codel = codelOf(model)
    this.onDrop = onDrop
    this.onMark = onMark
  }

  /** Changes the model; queued packets stay. */
  use(model: QueueModel): void {
    if (model === this.model) return
    this.model = model
    this.codel = codelOf(model)
  }

  fits(size: number): boolean {
    const { maxBytes = Infinity, maxPackets = Infinity } = this.model
    return this.bytes + size <= maxBytes && this.packets + 1 <= maxPackets
  }

  push(packet: SimPacket, size: number, sinceNanos: number): void {
    const marks = this.model.kind === "tailDrop" && this.bytes > (this.model.markAboveBytes ?? Infinity)
    const entry = { packet, size, sinceNanos }
    if (marks && canBeMarked(packet)) this.mark(entry)
    this.bytes += size
    this.packets++
    this.queued.push(entry)
  }

  /** The next packet to send, undefined if empty; call `sent` once it is sent. */
  take(nowNanos: number): QueuedPacket | undefined {
    return this.codel === undefined ? this.shift() : this.codel.take(this, nowNanos)
  }

  sent({ size }: QueuedPacket): void {
    this.bytes -= size
    this.packets--
  }

  shift(): QueuedPacket | undefined {
    if (this.head === this.queued.length) return undefined
    const entry = this.queued[this.head++]
    if (this.head > 64 && this.head * 2 > this.queued.length) {
      this.queued = this.queued.slice(this.head)
      this.head = 0
    }
    return entry
  }

  drop(entry: QueuedPacket): void {
    this.sent(entry)
    this.onDrop(entry.packet)
  }

  mark(entry: QueuedPacket): void {
    entry.packet = { ...entry.packet, ecn: 3 }
    this.onMark()
  }
}

const codelOf = (model: QueueModel): Codel | undefined =>
  model.kind === "codel"
    ? new Codel((model.targetMillis ?? 5) * 1e6, (model.intervalMillis ?? 100) * 1e6, model.ecn ?? false)
    : undefined

export const checkQueue = (field: string, model: QueueModel): void => {
  checkOneOf(`${field}.kind`, model.kind, ["tailDrop", "codel"])
  checkRange(`${field}.maxBytes`, model.maxBytes ?? Infinity, 1, Infinity)
  checkInteger(`${field}.maxPackets`, model.maxPackets ?? Infinity, 1, Infinity)
  if (model.kind === "tailDrop") {
    checkFields(field, model, ["kind", "maxBytes", "maxPackets", "markAboveBytes"])
    return checkRange(`${field}.markAboveBytes`, model.markAboveBytes ?? Infinity, 0, Infinity)
  }
  checkFields(field, model, ["kind", "maxBytes", "maxPackets", "targetMillis", "intervalMillis", "ecn"])
  checkRange(`${field}.targetMillis`, model.targetMillis ?? 5, 0.001, 10_000)
  checkRange(`${field}.intervalMillis`, model.intervalMillis ?? 100, 0.001, 100_000)
}
