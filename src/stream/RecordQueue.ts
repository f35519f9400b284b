import { Fifo } from "../internal/Fifo.ts"
import type { StreamRecord } from "./StreamRecord.ts"

/** Streams with something to tell their owner, in order, each once until polled. `bit` marks membership. */
export class RecordQueue {
  private readonly bit: number
  private readonly records = new Fifo<StreamRecord>()

  constructor(bit: number) {
    this.bit = bit
  }

  push(record: StreamRecord): void {
    if ((record.queued & this.bit) !== 0) return
    record.queued |= this.bit
    this.records.push(record)
  }

  shift(): StreamRecord | undefined {
    for (let record = this.records.shift(); record !== undefined; record = this.records.shift()) {
      if ((record.queued & this.bit) === 0) continue
      record.queued &= ~this.bit
      return record
    }
    return undefined
  }

  /** The next id, −1 for none. */
  shiftId(): number {
    return this.shift()?.id ?? -1
  }
}

/** What the owner of the streams has not been told yet. */
export class StreamNews {
  readonly opened: RecordQueue = new RecordQueue(1)
  readonly readable: RecordQueue = new RecordQueue(2)
  readonly writable: RecordQueue = new RecordQueue(4)
  readonly stopped: RecordQueue = new RecordQueue(8)
  readonly closed: RecordQueue = new RecordQueue(16)
  /** The peer allowed more streams: a bit for bidirectional, two for unidirectional. */
  openable = 0
}
