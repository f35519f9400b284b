/**
 * Controlled delay: a queue may absorb a burst, but not stand. When every packet of a whole interval has waited for
 * longer than the target, packets are dropped (or marked) from the head, more and more often until the wait is short
 * again. RFC 8289 §5
 */
import { canBeMarked, type QueuedPacket } from "./SimPacket.ts"

/** A queue of no more than this is not worth controlling: it is the packet on its way. RFC 8289 §5.3 */
const maxPacketBytes = 1500

/** The queue it controls: what waits, and what can be done to its head. */
export interface ControlledQueue {
  /** What waits, the packet being sent included. */
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
  /** When the wait will have been too long for an interval; 0 while it is short enough. */
  private firstAboveNanos = 0
  private dropNextNanos = 0
  /** Drops since dropping began, and what that was when it last began. */
  private count = 0
  private lastCount = 0

  constructor(targetNanos: number, intervalNanos: number, marks: boolean) {
    this.targetNanos = targetNanos
    this.intervalNanos = intervalNanos
    this.marks = marks
  }

  /** The next packet to send, after those that had to go. RFC 8289 §5.5 */
  take(queue: ControlledQueue, nowNanos: number): QueuedPacket | undefined {
    let entry = queue.shift()
    const isTooLate = this.isTooLate(queue, entry, nowNanos)
    if (this.isDropping) {
      if (!isTooLate) this.isDropping = false
      while (this.isDropping && nowNanos >= this.dropNextNanos) {
        this.count++
        if (this.punish(queue, entry!)) {
          this.dropNextNanos = this.controlLaw(this.dropNextNanos)
          break
        }
        entry = queue.shift()
        if (this.isTooLate(queue, entry, nowNanos)) this.dropNextNanos = this.controlLaw(this.dropNextNanos)
        else this.isDropping = false
      }
    } else if (isTooLate) {
      if (!this.punish(queue, entry!)) {
        entry = queue.shift()
        this.isTooLate(queue, entry, nowNanos)
      }
      this.begin(nowNanos)
    }
    return entry
  }

  /** Dropping that begins again soon begins about where it had got to. RFC 8289 §5.5 */
  private begin(nowNanos: number): void {
    this.isDropping = true
    const delta = this.count - this.lastCount
    const isSoon = nowNanos - this.dropNextNanos < 16 * this.intervalNanos
    this.count = delta > 1 && isSoon ? delta : 1
    this.dropNextNanos = this.controlLaw(nowNanos)
    this.lastCount = this.count
  }

  /** Whether the wait has been above the target for an interval. RFC 8289 §5.4 */
  private isTooLate(queue: ControlledQueue, entry: QueuedPacket | undefined, nowNanos: number): boolean {
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

  /** Marks the packet and returns true, or drops it. */
  private punish(queue: ControlledQueue, entry: QueuedPacket): boolean {
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
