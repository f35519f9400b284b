/** The subset of DER the library reads and writes itself. X.690 §8, §10 */

export const DerTag = {
  boolean: 0x01,
  integer: 0x02,
  bitString: 0x03,
  octetString: 0x04,
  null: 0x05,
  objectIdentifier: 0x06,
  sequence: 0x30,
  set: 0x31
} as const

/** `bytes[contentStart, end)` is the content of the element that starts at `start`. */
export interface DerElement {
  readonly tag: number
  readonly start: number
  readonly contentStart: number
  readonly end: number
}

/** The element at `start`; undefined when it is incomplete below `limit` or not in canonical DER. */
export const readElement = (
  bytes: Uint8Array,
  start: number,
  limit: number = bytes.length
): DerElement | undefined => {
  if (start + 2 > limit) return undefined
  const tag = bytes[start]
  if ((tag & 0x1f) === 0x1f) return undefined // PKIX has no multi-byte tags
  let contentStart = start + 2
  let length = bytes[start + 1]
  if (length >= 0x80) {
    const lengthBytes = length & 0x7f
    if (lengthBytes === 0 || lengthBytes > 4 || contentStart + lengthBytes > limit) return undefined
    length = 0
    for (let i = 0; i < lengthBytes; i++) length = length * 256 + bytes[contentStart + i]
    if (length < 0x80 || bytes[contentStart] === 0) return undefined // not the shortest form
    contentStart += lengthBytes
  }
  const end = contentStart + length
  return end > limit ? undefined : { tag, start, contentStart, end }
}

/** The elements inside `parent`; undefined when they do not fill it exactly or are more than `most`. */
export const readChildren = (
  bytes: Uint8Array,
  parent: DerElement,
  most: number = 64
): ReadonlyArray<DerElement> | undefined => {
  const children: Array<DerElement> = []
  for (let offset = parent.contentStart; offset < parent.end; ) {
    const child = readElement(bytes, offset, parent.end)
    if (child === undefined || children.length === most) return undefined
    children.push(child)
    offset = child.end
  }
  return children
}

/** One DER element. */
export const derElement = (tag: number, ...content: ReadonlyArray<Uint8Array>): Uint8Array => {
  const length = content.reduce((sum, part) => sum + part.length, 0)
  const header = [tag]
  if (length < 0x80) header.push(length)
  else if (length < 0x100) header.push(0x81, length)
  else if (length < 0x10000) header.push(0x82, length >> 8, length & 0xff)
  else header.push(0x83, length >> 16, (length >> 8) & 0xff, length & 0xff)
  const element = new Uint8Array(header.length + length)
  element.set(header)
  let offset = header.length
  for (const part of content) {
    element.set(part, offset)
    offset += part.length
  }
  return element
}
