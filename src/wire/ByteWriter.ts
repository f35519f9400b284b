/** The largest value a varint holds here; protocol counters stay below 2^53. */
export const MAX_VARINT = Number.MAX_SAFE_INTEGER

/** Encoded size in bytes of `value`, 0 … 2^53−1. RFC 9000 §16 */
export const varintSize = (value: number): 1 | 2 | 4 | 8 =>
  value < 0x40 ? 1 : value < 0x4000 ? 2 : value < 0x4000_0000 ? 4 : 8

/**
 * A cursor that writes into `bytes[offset, end)`. Hot path writers check `remaining` before they start a frame; writing
 * past the end is a bug in the caller and throws.
 */
export class ByteWriter {
  bytes: Uint8Array
  offset: number
  end: number

  constructor(bytes: Uint8Array, start = 0, end = bytes.length) {
    this.bytes = bytes
    this.offset = start
    this.end = end
  }

  reset(bytes: Uint8Array, start = 0, end = bytes.length): this {
    this.bytes = bytes
    this.offset = start
    this.end = end
    return this
  }

  get remaining(): number {
    return this.end - this.offset
  }

  private claim(size: number): number {
    const at = this.offset
    if (at + size > this.end) throw new RangeError(`ByteWriter: ${size} bytes do not fit in ${this.end - at}`)
    this.offset = at + size
    return at
  }

  u8(value: number): void {
    this.bytes[this.claim(1)] = value
  }

  u16(value: number): void {
    const at = this.claim(2)
    this.bytes[at] = value >>> 8
    this.bytes[at + 1] = value
  }

  u24(value: number): void {
    const at = this.claim(3)
    this.bytes[at] = value >>> 16
    this.bytes[at + 1] = value >>> 8
    this.bytes[at + 2] = value
  }

  u32(value: number): void {
    const at = this.claim(4)
    this.bytes[at] = value >>> 24
    this.bytes[at + 1] = value >>> 16
    this.bytes[at + 2] = value >>> 8
    this.bytes[at + 3] = value
  }

  varint(value: number): void {
    if (value < 0x40) this.u8(value)
    else if (value < 0x4000) this.u16(value | 0x4000)
    else if (value < 0x4000_0000) this.u32((value | 0x8000_0000) >>> 0)
    else {
      this.u32((Math.floor(value / 0x1_0000_0000) | 0xc000_0000) >>> 0)
      this.u32(value >>> 0)
    }
  }

  copy(source: Uint8Array, start = 0, end = source.length): void {
    const size = end - start
    const at = this.claim(size)
    if (size === source.length) this.bytes.set(source, at)
    else if (size <= 32) for (let i = 0; i < size; i++) this.bytes[at + i] = source[start + i]
    else this.bytes.set(source.subarray(start, end), at)
  }

  fill(value: number, size: number): void {
    const at = this.claim(size)
    this.bytes.fill(value, at, at + size)
  }
}
