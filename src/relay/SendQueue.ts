import { Fifo } from "../internal/Fifo.ts"
import { FRAME_COST, type RelayLimits } from "./RelayLimits.ts"

/** Bytes that all clients of a relay have waiting. */
export interface QueuedBytes {
  total: number
}

/** Frames that wait for a client whose socket takes no more. */
export class SendQueue {
  private readonly frames = new Fifo<Uint8Array>()
  private readonly limits: RelayLimits
  private readonly queued: QueuedBytes
  private bytes = 0

  constructor(limits: RelayLimits, queued: QueuedBytes) {
    this.limits = limits
    this.queued = queued
  }

  get isEmpty(): boolean {
    return this.frames.length === 0
  }

  /** False when it is full. What is left for all bounds each, so that there is always some for another. */
  push(frame: Uint8Array): boolean {
    const { queuedFrames, queuedBytes, totalQueuedBytes } = this.limits
    const cost = frame.length + FRAME_COST
    const most = Math.min(queuedBytes, totalQueuedBytes - this.queued.total - cost)
    if (this.frames.length >= queuedFrames || this.bytes + cost > most) return false
    this.frames.push(frame)
    this.count(cost)
    return true
  }

  shift(): Uint8Array | undefined {
    const frame = this.frames.shift()
    if (frame !== undefined) this.count(-frame.length - FRAME_COST)
    return frame
  }

  clear(): void {
    this.frames.clear()
    this.count(-this.bytes)
  }

  private count(bytes: number): void {
    this.bytes += bytes
    this.queued.total += bytes
  }
}
