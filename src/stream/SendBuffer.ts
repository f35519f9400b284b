import type { ByteWriter } from "../wire/ByteWriter.ts"
import { RangeSet } from "./RangeSet.ts"

/** Shorter writes are copied into slabs; longer ones are kept by reference. */
const copyBelowBytes = 1024
const minSlabBytes = 64
const maxSlabBytes = 16 * 1024

/**
 * The data of one stream from the first unacknowledged byte to the last one written.
 *
 * Offsets are stream offsets, with `acked ≤ sent ≤ end`: everything below `acked` is acknowledged and freed, everything
 * below `sent` was sent at least once. Retransmitted data must not change (RFC 9000 §2.2 #2): large writes are held by
 * reference and must not be modified by the caller.
 */
export class SendBuffer {
  acked: number
  sent: number
  end: number
  /** Ranges to retransmit. */
  readonly lost: RangeSet = new RangeSet()
  /** Acknowledged ranges above `acked`. */
  private readonly ackedAbove: RangeSet = new RangeSet()
  /** Chunk i holds the bytes from `starts[i]` to the next chunk's start; a slab can be longer than that. */
  private chunks: Array<Uint8Array> = []
  private starts: Array<number> = []
  /** The first chunk not freed, and the chunk of the last byte sent. */
  private head = 0
  private cursor = 0
  private slab: Uint8Array | undefined = undefined
  private slabUsed = 0
  /** Whether the last chunk lies in the slab and can be extended in place. */
  private slabIsLast = false

  /** Everything before `start` has been acknowledged already. */
  constructor(start = 0) {
    this.acked = start
    this.sent = start
    this.end = start
  }

  /** Bytes written but never sent. */
  get unsent(): number {
    return this.end - this.sent
  }

  /** Bytes buffered: written and not yet freed by acknowledgment. */
  get held(): number {
    return this.end - this.acked
  }

  append(bytes: Uint8Array): void {
    if (bytes.length === 0) return
    if (bytes.length < copyBelowBytes) this.appendCopy(bytes)
    else {
      this.pushChunk(bytes, bytes.length)
      this.slabIsLast = false
    }
  }

  /** Drops everything from `offset` on; it is neither sent nor retransmitted. */
  truncate(offset: number): void {
    if (offset >= this.end) return
    this.lost.remove(offset, Number.POSITIVE_INFINITY)
    this.ackedAbove.remove(offset, Number.POSITIVE_INFINITY)
    this.end = Math.max(offset, this.acked)
    this.sent = Math.min(this.sent, this.end)
    while (this.chunks.length > this.head && this.starts[this.chunks.length - 1] >= this.end) {
      this.chunks.pop()
      this.starts.pop()
    }
    this.cursor = Math.min(this.cursor, Math.max(this.head, this.chunks.length - 1))
    this.slab = undefined
    if (this.acked === this.end) this.freeAll()
  }

  /** Marks everything as unsent, after the peer discarded it all. */
  rewind(): void {
    this.sent = this.acked
    this.lost.clear()
    this.cursor = this.head
  }

  onAcked(start: number, end: number): void {
    // ignore what `truncate` dropped
    const high = Math.min(end, this.sent)
    if (high <= this.acked || start >= high) return
    this.lost.remove(start, high)
    if (start > this.acked) {
      this.ackedAbove.add(start, high)
      return
    }
    this.acked = high
    const { ackedAbove } = this
    while (!ackedAbove.isEmpty && ackedAbove.firstStart <= this.acked) {
      if (ackedAbove.firstEnd > this.acked) this.acked = ackedAbove.firstEnd
      ackedAbove.remove(ackedAbove.firstStart, ackedAbove.firstEnd)
    }
    this.free()
  }

  /** Marks the range for retransmission, except for parts acknowledged meanwhile. RFC 9000 §13.3 #S3 */
  onLost(start: number, end: number): void {
    const low = Math.max(start, this.acked)
    const high = Math.min(end, this.sent)
    if (low >= high) return
    this.lost.add(low, high)
    const { ackedAbove } = this
    for (let i = ackedAbove.indexAt(low); i < ackedAbove.count && ackedAbove.startAt(i) < high; i++)
      this.lost.remove(ackedAbove.startAt(i), ackedAbove.endAt(i))
  }

  /** Copies `[offset, offset + length)`, which lies between `acked` and `end`, into a packet. */
  copyTo(w: ByteWriter, offset: number, length: number): void {
    const { chunks, starts } = this
    let index = this.chunkAt(offset)
    let at = offset
    const end = offset + length
    while (at < end) {
      const start = starts[index]
      const stop = Math.min(end, index + 1 < starts.length ? starts[index + 1] : this.end)
      w.copy(chunks[index], at - start, stop - start)
      at = stop
      if (at < end) index++
    }
    if (end > this.sent) {
      this.sent = end
      this.cursor = index
    }
  }

  private chunkAt(offset: number): number {
    const { starts, cursor } = this
    if (starts[cursor] <= offset) {
      let index = cursor
      while (index + 1 < starts.length && starts[index + 1] <= offset) index++
      return index
    }
    let low = this.head
    let high = cursor
    while (high - low > 1) {
      const middle = (low + high) >> 1
      if (starts[middle] <= offset) low = middle
      else high = middle
    }
    return low
  }

  private pushChunk(bytes: Uint8Array, length: number): void {
    this.chunks.push(bytes)
    this.starts.push(this.end)
    this.end += length
  }

  private appendCopy(bytes: Uint8Array): void {
    if (this.slab !== undefined && this.slab.length - this.slabUsed >= bytes.length) {
      const { slab, slabUsed } = this
      slab.set(bytes, slabUsed)
      this.slabUsed = slabUsed + bytes.length
      if (this.slabIsLast) this.end += bytes.length
      else this.pushChunk(slab.subarray(slabUsed), bytes.length)
      this.slabIsLast = true
      return
    }
    // as large as the data already buffered, so that slabs are never more than half empty
    const slab = new Uint8Array(slabSize(Math.max(bytes.length, this.held)))
    slab.set(bytes)
    this.slab = slab
    this.slabUsed = bytes.length
    this.slabIsLast = true
    this.pushChunk(slab, bytes.length)
  }

  private free(): void {
    if (this.acked === this.end) {
      this.freeAll()
      return
    }
    const { chunks, starts } = this
    let { head } = this
    while (head + 1 < chunks.length && starts[head + 1] <= this.acked) {
      chunks[head] = empty
      head++
    }
    this.head = head
    if (head < 32 || head * 2 < chunks.length) return
    chunks.splice(0, head)
    starts.splice(0, head)
    this.cursor = Math.max(0, this.cursor - head)
    this.head = 0
  }

  private freeAll(): void {
    this.chunks.length = 0
    this.starts.length = 0
    this.head = 0
    this.cursor = 0
    this.slab = undefined
  }
}

const empty = new Uint8Array(0)

const slabSize = (bytes: number): number =>
  bytes >= maxSlabBytes ? maxSlabBytes : Math.max(minSlabBytes, 2 ** Math.ceil(Math.log2(bytes)))
