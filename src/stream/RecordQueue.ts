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

  /** The next stream ID; −1 if empty. */
  shiftId(): number {
    return this.shift()?.id ?? -1
  }
}

/** Stream events not yet polled by the owner. */
export class StreamEvents {
  readonly opened: RecordQueue = new RecordQueue(1)
  readonly readable: RecordQueue = new RecordQueue(2)
  readonly writable: RecordQueue = new RecordQueue(4)
  readonly stopped: RecordQueue = new RecordQueue(8)
  readonly closed: RecordQueue = new RecordQueue(16)
  /** The peer raised a stream limit: bit 1 for bidirectional, bit 2 for unidirectional streams. */
  openable = 0
}
