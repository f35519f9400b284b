import type { Native, Pinned } from "../native.ts"

/** Holds any UDP payload, so that every room for one is large enough. */
export const MEMORY_BYTES = 65_536

/** Kept for the next who asks; further ones are left to the garbage collector. */
const SPARE = 16

/** Pinned memory for a train or a burst. */
export class Memory {
  readonly pinned: Pinned
  private readonly views: Array<Uint8Array> = []
  private viewBytes = 0

  constructor(pinned: Pinned) {
    this.pinned = pinned
  }

  /** The `length` bytes at `index * size`; the same view as the last time if it is one of many of this size. */
  view(index: number, size: number, length: number): Uint8Array {
    const { bytes } = this.pinned
    if (length !== size) return bytes.subarray(index * size, index * size + length)
    if (size !== this.viewBytes) {
      this.viewBytes = size
      this.views.length = 0
    }
    return (this.views[index] ??= bytes.subarray(index * size, (index + 1) * size))
  }
}

/** Lends memory while it is used, so that idle sockets hold none. */
export class Memories {
  private readonly native: Native
  private readonly spare: Array<Memory> = []

  constructor(native: Native) {
    this.native = native
  }

  take(): Memory {
    return this.spare.pop() ?? new Memory(this.native.pin(MEMORY_BYTES))
  }

  give(memory: Memory): void {
    if (this.spare.length < SPARE) this.spare.push(memory)
  }
}
