/** What a simulated stream puts into a packet. */

/** Bytes of a message in one packet. */
export const maxPayload = 1200
const headerBytes = 14

const kindNames = ["open", "accept", "data", "ack", "reset"] as const

export interface Segment {
  readonly kind: (typeof kindNames)[number]
  /** The last of its message. */
  readonly isLast: boolean
  /** Nothing comes after it. */
  readonly isEnd: boolean
  /** Its number; of an ack, that of the segment which it answers. */
  readonly number: number
  /** The next segment expected: all before have arrived. */
  readonly expected: number
  readonly payload: Uint8Array
}

const nothing = new Uint8Array(0)

export const encodeSegment = ({
  kind,
  isLast = false,
  isEnd = false,
  number = 0,
  expected = 0,
  payload = nothing
}: Partial<Segment> & Pick<Segment, "kind">): Uint8Array => {
  const bytes = new Uint8Array(headerBytes + payload.length)
  const view = new DataView(bytes.buffer)
  bytes[0] = kindNames.indexOf(kind)
  bytes[1] = (isLast ? 1 : 0) | (isEnd ? 2 : 0)
  view.setUint32(2, number)
  view.setUint32(6, expected)
  bytes.set(payload, headerBytes)
  view.setUint32(10, checksum(bytes))
  return bytes
}

/** Undefined if a link has corrupted it. */
export const decodeSegment = (bytes: Uint8Array): Segment | undefined => {
  if (bytes.length < headerBytes) return undefined
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
  const kind = kindNames[bytes[0]]
  if (kind === undefined || view.getUint32(10) !== checksum(bytes)) return undefined
  return {
    kind,
    isLast: (bytes[1] & 1) !== 0,
    isEnd: (bytes[1] & 2) !== 0,
    number: view.getUint32(2),
    expected: view.getUint32(6),
    payload: bytes.subarray(headerBytes)
  }
}

/** FNV-1a of all but itself. */
const checksum = (bytes: Uint8Array): number => {
  let sum = 0x811c9dc5
  for (let i = 0; i < bytes.length; i++) if (i < 10 || i >= 14) sum = Math.imul(sum ^ bytes[i], 0x01000193)
  return sum >>> 0
}
