/**
 * CoDel (controlled delay): a queue may absorb bursts but must not persist. When every packet of a whole interval was
 * queued for longer than the target, packets are dropped (or marked) at the head, increasingly often until the delay is
 * below the target again. RFC 8289 §5
 */
import { canBeMarked, type QueuedPacket } from "./SimPacket.ts"

/** Queues up to this size are not controlled, as one packet is always being sent. RFC 8289 §5.3 */
const maxPacketBytes = 1500

/** The queue it controls. */
export interface ControlledQueue {
  /** Queued bytes, including the packet being sent. */
  readonly bytes: number
  shift(): QueuedPacket | undefined
  mark(entry: QueuedPacket): void
  drop(entry: QueuedPacket): void
}

export class Codel {
  private readonly targetNanos: number
  private readonly intervalNanos: number
  private readonly marks: boolean
  private isDropping = false
  /** When the delay will have been above the target for an interval; 0 while it is below. */
  private firstAboveNanos = 0
  private dropNextNanos = 0
  /** Drops since dropping started, and the count when it last started. */
  private count = 0
  private lastCount = 0

  constructor(targetNanos: number, intervalNanos: number, marks: boolean) {
    this.targetNanos = targetNanos
    this.intervalNanos = intervalNanos
    this.marks = marks
  }

  /** Drops packets as needed and returns the next one to send. RFC 8289 §5.5 */
  take(queue: ControlledQueue, nowNanos: number): QueuedPacket | undefined {
    let entry = queue.shift()
    const isAboveTarget = this.isAboveTarget(queue, entry, nowNanos)
    if (this.isDropping) {
      if (!isAboveTarget) this.isDropping = false
      while (this.isDropping && nowNanos >= this.dropNextNanos) {
        this.count++
        if (this.markOrDrop(queue, entry!)) {
          this.dropNextNanos = this.controlLaw(this.dropNextNanos)
          break
        }
        entry = queue.shift()
        if (this.isAboveTarget(queue, entry, nowNanos))
          this.dropNextNanos = this.controlLaw(this.dropNextNanos)
        else this.isDropping = false
      }
    } else if (isAboveTarget) {
      if (!this.markOrDrop(queue, entry!)) {
        entry = queue.shift()
        this.isAboveTarget(queue, entry, nowNanos)
      }
      this.begin(nowNanos)
    }
    return entry
  }

  /** Dropping that resumes soon continues at about the previous rate. RFC 8289 §5.5 */
  private begin(nowNanos: number): void {
    this.isDropping = true
    const delta = this.count - this.lastCount
    const isSoon = nowNanos - this.dropNextNanos < 16 * this.intervalNanos
    this.count = delta > 1 && isSoon ? delta : 1
    this.dropNextNanos = this.controlLaw(nowNanos)
    this.lastCount = this.count
  }

  /** Whether the delay has been above the target for an interval. RFC 8289 §5.4 */
  private isAboveTarget(queue: ControlledQueue, entry: QueuedPacket | undefined, nowNanos: number): boolean {
    const isShort =
      entry === undefined ||
      nowNanos - entry.sinceNanos < this.targetNanos ||
      queue.bytes - entry.size <= maxPacketBytes
    if (isShort) {
      this.firstAboveNanos = 0
      return false
    }
    if (this.firstAboveNanos === 0) {
      this.firstAboveNanos = nowNanos + this.intervalNanos
      return false
    }
    return nowNanos >= this.firstAboveNanos
  }

  /** Marks the packet and returns true if it is ECN-capable; otherwise drops it. */
  private markOrDrop(queue: ControlledQueue, entry: QueuedPacket): boolean {
    if (this.marks && canBeMarked(entry.packet)) {
      queue.mark(entry)
      return true
    }
    queue.drop(entry)
    return false
  }

  private controlLaw(nanos: number): number {
    return nanos + this.intervalNanos / Math.sqrt(this.count)
  }
}
