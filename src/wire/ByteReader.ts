/**
 * A cursor over `bytes[offset, end)`. Reading past the end never throws: it sets `failed`, returns 0 and
 * leaves the cursor at the end, so a caller checks once after the last field.
 */
export class ByteReader {
  bytes: Uint8Array
  offset: number
  end: number
  failed = false

  constructor(bytes: Uint8Array = new Uint8Array(0), start = 0, end = bytes.length) {
    this.bytes = bytes
    this.offset = start
    this.end = end
  }

  reset(bytes: Uint8Array, start = 0, end = bytes.length): this {
    this.bytes = bytes
    this.offset = start
    this.end = end
    this.failed = false
    return this
  }

  get remaining(): number {
    return this.end - this.offset
  }

  private fail(): number {
    this.failed = true
    this.offset = this.end
    return 0
  }

  u8(): number {
    return this.offset < this.end ? this.bytes[this.offset++] : this.fail()
  }

  u16(): number {
    if (this.end - this.offset < 2) return this.fail()
    const { bytes, offset } = this
    this.offset = offset + 2
    return (bytes[offset] << 8) | bytes[offset + 1]
  }

  u24(): number {
    if (this.end - this.offset < 3) return this.fail()
    const { bytes, offset } = this
    this.offset = offset + 3
    return (bytes[offset] << 16) | (bytes[offset + 1] << 8) | bytes[offset + 2]
  }

  u32(): number {
    if (this.end - this.offset < 4) return this.fail()
    const { bytes, offset } = this
    this.offset = offset + 4
    return (
      ((bytes[offset] << 24) | (bytes[offset + 1] << 16) | (bytes[offset + 2] << 8) | bytes[offset + 3]) >>> 0
    )
  }

  /**
   * A variable-length integer (RFC 9000 §16). Exact below 2^53; above it rounded up to the next double, so that a value
   * over a limit stays over it.
   */
  varint(): number {
    if (this.offset >= this.end) return this.fail()
    const { bytes, offset } = this
    const first = bytes[offset]
    const size = 1 << (first >> 6)
    if (this.end - offset < size) return this.fail()
    this.offset = offset + size
    if (size === 1) return first
    if (size === 2) return ((first & 0x3f) << 8) | bytes[offset + 1]
    const high =
      ((first & 0x3f) << 24) | (bytes[offset + 1] << 16) | (bytes[offset + 2] << 8) | bytes[offset + 3]
    if (size === 4) return high
    const low =
      ((bytes[offset + 4] << 24) |
        (bytes[offset + 5] << 16) |
        (bytes[offset + 6] << 8) |
        bytes[offset + 7]) >>>
      0
    return high < 0x20_0000 ? high * 0x1_0000_0000 + low : roundedUp(high, low)
  }

  /** Skips `length` bytes and returns their offset; a length past the end fails. */
  skip(length: number): number {
    if (length > this.end - this.offset) {
      this.fail()
      return this.end
    }
    const start = this.offset
    this.offset = start + length
    return start
  }

  /** A view of the next `length` bytes; empty when there are fewer. */
  take(length: number): Uint8Array {
    const start = this.skip(length)
    return this.bytes.subarray(start, this.failed ? start : start + length)
  }
}

/** The smallest double not below `high * 2^32 + low`, which is at least 2^53. */
const roundedUp = (high: number, low: number): number => {
  const step = 2 ** (11 - Math.clz32(high))
  return high * 0x1_0000_0000 + Math.ceil(low / step) * step
}
