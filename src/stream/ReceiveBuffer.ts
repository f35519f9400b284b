import { OutOfOrderPages } from "./OutOfOrderPages.ts"
import { returnSlab, SLAB_BYTES, takeSlab } from "./slabs.ts"

/** `.buffer` of an array this short would make V8 allocate one. */
const shortBytes = 512
const minSlabBytes = 64
const maxSlabBytes = 64 * 1024
/** Segments this long begin a slab that is used again: shorter ones would hold too much of it. */
const reuseFromBytes = 1024
/** Chunks at least this long are returned as they are; shorter neighbours are joined. */
const readAsIsBytes = 16 * 1024
const maxJoinedBytes = 64 * 1024

/**
 * Reassembles the segments of one stream. Contiguous data is copied together into slabs, as datagrams are only lent; data
 * behind a gap is kept in pages. Memory is bounded by a small multiple of the flow-control window.
 */
export class ReceiveBuffer {
  /** Everything below has been read. */
  readOffset: number
  /** Everything below has arrived. */
  end: number
  /** Whether the last `insert` brought a byte that was missing. */
  hasGained = false
  /** The queue: chunk i is `chunks[i][starts[i], ends[i])`; `head` is the first in use. */
  private readonly chunks: Array<Uint8Array> = []
  private readonly starts: Array<number> = []
  private readonly ends: Array<number> = []
  private head = 0
  private slab: Uint8Array | undefined = undefined
  private slabUsed = 0
  private pages: OutOfOrderPages | undefined = undefined
  /** Whether the reader has a view of the first chunk. */
  private isHeadShared = false
  /** Its reader takes copies: slabs are used again. */
  isCopiedOut: boolean

  /** Everything before `start` has been read already. */
  constructor(start = 0, isCopiedOut = false) {
    this.isCopiedOut = isCopiedOut
    this.readOffset = start
    this.end = start
  }

  /** Whether nothing is buffered, so that a new buffer starting at `end` could replace this one. */
  get isEmpty(): boolean {
    return this.readOffset === this.end && !this.hasGap
  }

  /** Contiguous bytes available to read. */
  get readable(): number {
    return this.end - this.readOffset
  }

  /** Whether data is buffered behind a gap. */
  get hasGap(): boolean {
    return this.pages !== undefined && !this.pages.isEmpty
  }

  /** Memory of data behind a gap. */
  get reorderBytes(): number {
    return this.pages === undefined ? 0 : this.pages.allocatedBytes
  }

  /** Approximate memory held by the queue and the pages. */
  get allocatedBytes(): number {
    let sum = this.pages?.allocatedBytes ?? 0
    for (const chunk of new Set(this.chunks)) sum += backingBytes(chunk)
    return sum
  }

  /** Inserts `bytes[start, end)` at `offset`; returns how many bytes became readable. */
  insert(offset: number, bytes: Uint8Array, start: number, end: number): number {
    const before = this.end
    if (offset > before) {
      this.hasGained = false
      if (start === end) return 0
      this.pages ??= new OutOfOrderPages()
      this.hasGained = this.pages.add(before, offset, bytes, start, end)
      return 0
    }
    const from = start + (before - offset)
    this.hasGained = from < end
    if (from >= end) return 0
    this.append(bytes, from, end)
    if (this.pages !== undefined && !this.pages.isEmpty) this.takePages(this.pages, before)
    return this.end - before
  }

  /** The next bytes, 1 … `max`; undefined when there are none. */
  read(max: number): Uint8Array | undefined {
    const available = Math.min(max, this.readable)
    if (available <= 0) return undefined
    const first = this.ends[this.head] - this.starts[this.head]
    if (first >= available || first >= readAsIsBytes) return this.take(Math.min(first, available))
    const joined = new Uint8Array(this.joinable(Math.min(available, maxJoinedBytes)))
    this.copyOut(joined, joined.length)
    return joined
  }

  /** Copies the next bytes into `into`, at most `max` and as many as there is room for; returns how many. */
  readInto(into: Uint8Array, max: number): number {
    this.isCopiedOut = true
    const size = Math.min(max, into.length, this.readable)
    this.copyOut(into, size)
    return size
  }

  private copyOut(into: Uint8Array, length: number): void {
    let filled = 0
    while (filled < length) {
      const { chunks, starts, ends, head } = this
      const size = Math.min(ends[head] - starts[head], length - filled)
      into.set(chunks[head].subarray(starts[head], starts[head] + size), filled)
      filled += size
      this.advance(size)
    }
  }

  /** How many of the next `max` bytes lie before a chunk that is read as it is. */
  private joinable(max: number): number {
    const { chunks, starts, ends, head } = this
    let size = ends[head] - starts[head]
    for (let i = head + 1; size < max && i < chunks.length; i++) {
      const length = ends[i] - starts[i]
      if (length >= readAsIsBytes) break
      size += length
    }
    return Math.min(size, max)
  }

  /** Copies the next bytes without consuming them, as many as there are room for; returns how many. */
  peek(into: Uint8Array): number {
    const { chunks, starts, ends } = this
    const wanted = Math.min(into.length, this.readable)
    let filled = 0
    for (let i = this.head; filled < wanted; i++)
      for (let at = starts[i]; at < ends[i] && filled < wanted; at++) into[filled++] = chunks[i][at]
    return filled
  }

  private take(size: number): Uint8Array {
    const bytes = this.chunks[this.head]
    const start = this.starts[this.head]
    // of a slab that may have been used before, nobody gets the rest
    const isShared = !this.isCopiedOut && size * 2 >= backingBytes(bytes)
    const taken = isShared ? bytes.subarray(start, start + size) : bytes.slice(start, start + size)
    if (isShared) this.isHeadShared = true
    this.advance(size)
    return taken
  }

  private advance(size: number): void {
    const { chunks, starts, ends, head } = this
    this.readOffset += size
    starts[head] += size
    if (starts[head] < ends[head]) return
    const slab = chunks[head]
    if (this.isCopiedOut && !this.isHeadShared && slab.length === SLAB_BYTES) returnSlab(slab)
    this.isHeadShared = false
    chunks[head] = empty
    this.head = head + 1
    if (this.head === chunks.length) {
      chunks.length = 0
      starts.length = 0
      ends.length = 0
      this.head = 0
      this.slab = undefined
    } else if (this.head >= 64 && this.head * 2 >= chunks.length) {
      chunks.splice(0, this.head)
      starts.splice(0, this.head)
      ends.splice(0, this.head)
      this.head = 0
    }
  }

  private push(bytes: Uint8Array, start: number, end: number): void {
    const { chunks, starts, ends } = this
    const last = chunks.length - 1
    if (last >= this.head && chunks[last] === bytes && ends[last] === start) ends[last] = end
    else {
      chunks.push(bytes)
      starts.push(start)
      ends.push(end)
    }
    this.end += end - start
  }

  private append(bytes: Uint8Array, start: number, end: number): void {
    let at = start
    while (at < end) {
      let { slab } = this
      if (slab === undefined || this.slabUsed === slab.length) {
        const size = end - at
        // as large as the data already queued, so that slabs are never more than half empty
        slab =
          this.isCopiedOut && size >= reuseFromBytes
            ? takeSlab()
            : new Uint8Array(slabSize(size, this.readable))
        this.slab = slab
        this.slabUsed = 0
      }
      const size = Math.min(end - at, slab.length - this.slabUsed)
      const to = this.slabUsed
      if (size <= 32) for (let i = 0; i < size; i++) slab[to + i] = bytes[at + i]
      else slab.set(bytes.subarray(at, at + size), to)
      this.slabUsed = to + size
      this.push(slab, to, to + size)
      at += size
    }
  }

  /** Moves data that has become contiguous from the pages to the queue. */
  private takePages(pages: OutOfOrderPages, from: number): void {
    for (let size = pages.run(this.end); size > 0; size = pages.run(this.end))
      this.append(pages.runBytes, pages.runStart, pages.runStart + size)
    pages.release(from, this.end)
  }
}

/** Short chunks own their buffer. */
const backingBytes = (chunk: Uint8Array): number =>
  chunk.length < shortBytes ? chunk.length : chunk.buffer.byteLength

const empty = new Uint8Array(0)

/** A power of two for short segments; a long one has a slab to itself. */
const slabSize = (segment: number, queued: number): number =>
  segment >= SLAB_BYTES
    ? Math.min(maxSlabBytes, segment)
    : Math.min(SLAB_BYTES, Math.max(minSlabBytes, 2 ** Math.ceil(Math.log2(Math.max(segment, queued)))))
