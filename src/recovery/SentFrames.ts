/** Records that grew beyond this for a packet of many tiny frames shrink again. */
const maxKeptValues = 128

/**
 * What a sent packet carried, as data: four numbers a frame, its type and three that its owner chose (`FrameOwner`).
 * When the packet is acknowledged or lost, the owner gets them back; nothing holds a callback or a copy of the bytes.
 */
export class SentFrames {
  /** type, a, b, c; type, a, b, c; … */
  readonly values: Array<number> = []
  /** How many numbers of `values` are in use: four per frame. */
  length = 0

  /** `type` is a `FrameType`, without the flags of STREAM. */
  push(type: number, a = 0, b = 0, c = 0): void {
    const { values, length } = this
    values[length] = type
    values[length + 1] = a
    values[length + 2] = b
    values[length + 3] = c
    this.length = length + 4
  }

  clear(): void {
    this.length = 0
    if (this.values.length > maxKeptValues) this.values.length = 0
  }
}
