import type { SentFrames } from "../recovery/SentFrames.ts"
import { FrameType } from "../wire/FrameType.ts"
import type { ByteWriter } from "../wire/ByteWriter.ts"
import { NO_PATH_ID, writeRetireConnectionId } from "../wire/frameWriters.ts"

/** The largest PATH_RETIRE_CONNECTION_ID frame. RFC 9000 §19.16 */
const FRAME_BYTES = 2 + 8 + 8

/**
 * The unacknowledged RETIRE_CONNECTION_ID frames of one path. RFC 9000 §13.3: each is sent until it is acknowledged.
 * The owner bounds their number.
 */
export class RetireQueue {
  /** Sequence number, and whether its frame has to be sent. */
  private frames: Map<number, boolean> | undefined = undefined
  private unsent = 0
  private readonly pathId: number
  /** Frames tell the path they are about. */
  tellsPath: boolean

  constructor(pathId: number) {
    this.pathId = pathId
    this.tellsPath = pathId > 0
  }

  /** Sent or not. */
  get size(): number {
    return this.frames?.size ?? 0
  }

  hasFrames(): boolean {
    return this.unsent > 0
  }

  add(sequence: number): void {
    this.frames ??= new Map()
    if (this.frames.has(sequence)) return
    this.frames.set(sequence, true)
    this.unsent++
  }

  writeFrames(w: ByteWriter, sent: SentFrames): void {
    if (this.unsent === 0 || this.frames === undefined) return
    for (const [sequence, unsent] of this.frames) {
      if (w.remaining < FRAME_BYTES) return
      if (!unsent) continue
      writeRetireConnectionId(w, sequence, this.tellsPath ? this.pathId : NO_PATH_ID)
      sent.push(FrameType.RETIRE_CONNECTION_ID, this.pathId, sequence)
      this.frames.set(sequence, false)
      this.unsent--
    }
  }

  onAcked(sequence: number): void {
    if (this.frames?.get(sequence) === true) this.unsent-- // declared lost, then acknowledged
    this.frames?.delete(sequence)
  }

  onLost(sequence: number): void {
    if (this.frames?.get(sequence) !== false) return
    this.frames.set(sequence, true)
    this.unsent++
  }
}
