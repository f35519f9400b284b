/** HTTP/3 frames (RFC 9114 §7) and field sections without a dynamic table (RFC 9204 §4.5), enough for a POST. */
import { readVarint } from "../Wire.ts"

export const FrameType = { data: 0x00, headers: 0x01, settings: 0x04 } as const
/** RFC 9114 §6.2 */
export const StreamType = { control: 0x00, push: 0x01, qpackEncoder: 0x02, qpackDecoder: 0x03 } as const
/** RFC 9114 §8.1 */
export const NO_ERROR = 0x100

/** Size limit of a HEADERS or SETTINGS frame. */
const maxHeaderBytes = 16_384

export const varint = (value: number): Uint8Array => {
  if (value < 0x40) return Uint8Array.of(value)
  if (value < 0x4000) return Uint8Array.of(0x40 | (value >> 8), value & 0xff)
  const bytes = new Uint8Array(4)
  new DataView(bytes.buffer).setUint32(0, (0x80000000 | value) >>> 0)
  return bytes
}

export const frameHeader = (type: number, length: number): Uint8Array => concat(varint(type), varint(length))

export const frame = (type: number, payload: Uint8Array): Uint8Array =>
  concat(frameHeader(type, payload.length), payload)

export const concat = (...parts: ReadonlyArray<Uint8Array>): Uint8Array =>
  new Uint8Array(Buffer.concat(parts))

/** Splits a stream into frames: DATA incrementally, other known frames whole; skips unknown ones (RFC 9114 §9). */
export class FrameReader {
  private readonly onData: (bytes: Uint8Array) => void
  private readonly onFrame: (type: number, payload: Uint8Array) => void
  private pending = new Uint8Array()
  private type = -1
  private left = 0

  constructor(onData: (bytes: Uint8Array) => void, onFrame: (type: number, payload: Uint8Array) => void) {
    this.onData = onData
    this.onFrame = onFrame
  }

  push(bytes: Uint8Array): void {
    let rest = this.pending.length === 0 ? bytes : concat(this.pending, bytes)
    while (rest.length > 0) {
      if (this.type < 0) {
        const type = readVarint(rest, 0)
        const length = type && readVarint(rest, type.end)
        if (type === undefined || length === undefined) break
        this.type = type.value
        this.left = length.value
        rest = rest.subarray(length.end)
      }
      const isData = this.type === FrameType.data
      const isKnown = this.type === FrameType.headers || this.type === FrameType.settings
      if (isKnown && this.left > maxHeaderBytes) throw new Error(`a frame of ${this.left} bytes`)
      if (isKnown && rest.length < this.left) break
      const payload = rest.subarray(0, this.left)
      rest = rest.subarray(payload.length)
      this.left -= payload.length
      if (isData) this.onData(payload)
      if (isKnown) this.onFrame(this.type, payload)
      if (this.left === 0) this.type = -1
    }
    this.pending = new Uint8Array(rest)
  }

  /** Whether the stream may end here. RFC 9114 §7.1 */
  get isBetweenFrames(): boolean {
    return this.type < 0 && this.pending.length === 0
  }
}

// — QPACK —————————————————————————————————————————————————————————————————————————————————————————————————————————

/** Static table entries needed for a request and its response. RFC 9204 Appendix A */
const staticTable = {
  authority: 0,
  path: 1,
  contentLength: 4,
  methodGet: 17,
  methodPost: 20,
  schemeHttps: 23,
  status200: 25
} as const

/** An integer with an n-bit prefix. RFC 7541 §5.1 */
const prefixed = (first: number, prefixBits: number, value: number): Uint8Array => {
  const limit = (1 << prefixBits) - 1
  if (value < limit) return Uint8Array.of(first | value)
  const bytes = [first | limit]
  let rest = value - limit
  for (; rest >= 128; rest >>= 7) bytes.push((rest & 0x7f) | 0x80)
  bytes.push(rest)
  return Uint8Array.from(bytes)
}

/** RFC 9204 §4.5.2 */
const indexed = (index: number): Uint8Array => prefixed(0xc0, 6, index)

/** RFC 9204 §4.5.4, without Huffman coding */
const literal = (nameIndex: number, value: string): Uint8Array => {
  const text = new TextEncoder().encode(value)
  return concat(prefixed(0x50, 4, nameIndex), prefixed(0x00, 7, text.length), text)
}

/** Required Insert Count 0 and Base 0: no dynamic table references. RFC 9204 §4.5.1 */
const fieldSection = (...lines: ReadonlyArray<Uint8Array>): Uint8Array =>
  frame(FrameType.headers, concat(Uint8Array.of(0, 0), ...lines))

export const postHeaders = (authority: string, path: string, contentLength: number): Uint8Array =>
  fieldSection(
    indexed(staticTable.methodPost),
    indexed(staticTable.schemeHttps),
    literal(staticTable.authority, authority),
    literal(staticTable.path, path),
    literal(staticTable.contentLength, String(contentLength))
  )

export const okHeaders = (contentLength: number): Uint8Array =>
  fieldSection(indexed(staticTable.status200), literal(staticTable.contentLength, String(contentLength)))

/** Whether a field section begins with `:status: 200`, which every sender takes from the static table. */
export const saysOk = (section: Uint8Array): boolean =>
  section[0] === 0 && section[1] === 0 && section[2] === (0xc0 | staticTable.status200)
