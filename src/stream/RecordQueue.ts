import { Fifo } from "../internal/Fifo.ts"
import type { StreamRecord } from "./StreamRecord.ts"

/** A FIFO of streams without duplicates. `bit` marks membership in `StreamRecord.queued`. */
export class RecordQueue extends Fifo<StreamRecord> {
  private readonly bit: number

  constructor(bit: number) {
    super()
    this.bit = bit
  }

  override push(record: StreamRecord): void {
    if ((record.queued & this.bit) !== 0) return
    record.queued |= this.bit
    super.push(record)
  }

  override shift(): StreamRecord | undefined {
    for (let record = super.shift(); record !== undefined; record = super.shift()) {
      if ((record.queued & this.bit) === 0) continue
      record.queued &= ~this.bit
      return record
    }
    return undefined
  }
}

/** What has happened to a stream. */
export const StreamEvent = { opened: 0, readable: 1, writable: 2, stopped: 3, closed: 4 } as const
export type StreamEvent = (typeof StreamEvent)[keyof typeof StreamEvent]

/** Stream events not yet polled by the owner. */
export class StreamEvents {
  /** By event; created by the first. */
  private queues: ReadonlyArray<RecordQueue> | undefined = undefined
  /** The peer raised a stream limit: bit 1 for bidirectional, bit 2 for unidirectional streams. */
  openable = 0

  push(event: StreamEvent, record: StreamRecord): void {
    const queues = (this.queues ??= Object.values(StreamEvent).map((each) => new RecordQueue(1 << each)))
    queues[event].push(record)
  }

  poll(event: StreamEvent): StreamRecord | undefined {
    return this.queues?.[event].shift()
  }

  /** The ID of the next stream; −1 if there is none. */
  pollId(event: StreamEvent): number {
    return this.poll(event)?.id ?? -1
  }
}
