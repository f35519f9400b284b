export const pageBytes = 16 * 1024
const minPageBytes = 64

/** Part of a stream received with gaps: the bytes, and a bitmap of which are present. RFC 9000 §21.7 #S1 */
class Page {
  /** Stream offset of `bytes[0]`. */
  origin: number
  bytes: Uint8Array
  present: Uint32Array
  /** End of the last byte present. */
  top = 0

  constructor(origin: number, size: number) {
    this.origin = origin
    this.bytes = new Uint8Array(size)
    this.present = new Uint32Array(Math.ceil(size / 32))
  }

  grow(size: number): void {
    const bytes = new Uint8Array(size)
    bytes.set(this.bytes)
    const present = new Uint32Array(Math.ceil(size / 32))
    present.set(this.present)
    this.bytes = bytes
    this.present = present
  }

  /** Drops the first `size` bytes, a multiple of 32. */
  shrink(size: number): void {
    this.origin += size
    this.bytes = this.bytes.slice(size)
    this.present = this.present.slice(size / 32)
    this.top -= size
  }
}

/**
 * Stream data received beyond the first gap. Kept in pages with a bitmap, so that memory and time are bounded by the
 * flow-control window for any size, number and order of segments: at maxBytes about twice the credit the sender used
 * beyond the gap, plus an eighth for the bitmaps.
 */
export class OutOfOrderPages {
  /** The bytes found by the last `run`. */
  runBytes: Uint8Array = new Uint8Array(0)
  runStart = 0
  allocatedBytes = 0
  private readonly pages = new Map<number, Page>()

  get isEmpty(): boolean {
    return this.pages.size === 0
  }

  /** Stores `bytes[start, end)` at `offset`, below `floor` all is read; returns whether any of it was missing. */
  add(floor: number, offset: number, bytes: Uint8Array, start: number, end: number): boolean {
    let isNews = false
    let at = start
    let index = Math.floor(offset / pageBytes)
    let from = offset
    while (at < end) {
      const pageEnd = (index + 1) * pageBytes
      const to = Math.min(from + (end - at), pageEnd)
      const page = this.pageAt(index, floor, to, pageEnd)
      const low = from - page.origin
      const length = to - from
      copy(bytes, at, page.bytes, low, length)
      if (setBits(page.present, low, low + length)) isNews = true
      if (low + length > page.top) page.top = low + length
      at += length
      from = to
      index++
    }
    return isNews
  }

  /** Length of the contiguous run at `offset`, at maxBytes to the end of its page; sets `runBytes`. */
  run(offset: number): number {
    const page = this.pages.get(Math.floor(offset / pageBytes))
    if (page === undefined || offset < page.origin) return 0
    const start = offset - page.origin
    if (start >= page.bytes.length) return 0
    this.runBytes = page.bytes
    this.runStart = start
    return runLength(page.present, start, page.bytes.length)
  }

  /** Frees `[from, to)`, which was moved elsewhere. */
  release(from: number, to: number): void {
    const last = Math.floor(to / pageBytes)
    for (let index = Math.floor(from / pageBytes); index < last; index++) this.drop(index)
    const page = this.pages.get(last)
    if (page === undefined) return
    const taken = to - page.origin
    const { length } = page.bytes
    if (taken >= page.top) this.drop(last)
    else if (taken * 2 >= length && length > minPageBytes) {
      // the credit of the freed bytes is granted again, so their memory must be freed too
      page.shrink(taken - (taken % 32))
      this.allocatedBytes -= length - page.bytes.length
    }
  }

  private drop(index: number): void {
    const page = this.pages.get(index)
    if (page === undefined) return
    this.allocatedBytes -= page.bytes.length
    this.pages.delete(index)
  }

  private pageAt(index: number, floor: number, to: number, pageEnd: number): Page {
    let page = this.pages.get(index)
    if (page === undefined) {
      const origin = Math.max(index * pageBytes, floor)
      page = new Page(origin, pageSize(to - floor, pageEnd - origin))
      this.pages.set(index, page)
      this.allocatedBytes += page.bytes.length
    } else if (to - page.origin > page.bytes.length) {
      this.allocatedBytes -= page.bytes.length
      page.grow(pageSize(to - Math.min(floor, page.origin), pageEnd - page.origin))
      this.allocatedBytes += page.bytes.length
    }
    return page
  }
}

/** As large as the credit used to reach that offset, up to a full page. */
const pageSize = (needed: number, maxBytes: number): number =>
  Math.min(maxBytes, Math.max(minPageBytes, 2 ** Math.ceil(Math.log2(needed))))

const copy = (source: Uint8Array, start: number, target: Uint8Array, at: number, length: number): void => {
  if (length <= 32) for (let i = 0; i < length; i++) target[at + i] = source[start + i]
  else target.set(source.subarray(start, start + length), at)
}

/** Sets the bits, and returns whether any was not set yet. */
const setBits = (words: Uint32Array, from: number, to: number): boolean => {
  let word = from >>> 5
  const last = (to - 1) >>> 5
  const low = -1 << (from & 31)
  const high = -1 >>> (31 - ((to - 1) & 31))
  if (word === last) return setWord(words, word, low & high)
  let isNews = setWord(words, word, low)
  while (++word < last) if (setWord(words, word, -1)) isNews = true
  return setWord(words, last, high) || isNews
}

const setWord = (words: Uint32Array, word: number, bits: number): boolean => {
  const before = words[word]
  words[word] = before | bits
  return words[word] !== before
}

/** Number of consecutive bits set from `from`, up to `limit`. */
const runLength = (words: Uint32Array, from: number, limit: number): number => {
  let word = from >>> 5
  let missing = ~words[word] & (-1 << (from & 31))
  while (missing === 0) {
    word++
    if (word * 32 >= limit) return limit - from
    missing = ~words[word]
  }
  const firstMissing = word * 32 + 31 - Math.clz32(missing & -missing)
  return Math.min(firstMissing, limit) - from
}
