/** IP addresses as bytes and as text, in canonical form so that they can be compared. */

export interface IpAddress {
  /** 4 or 16. */
  readonly bytes: Uint8Array
  /** The part after `%`: the interface of a link-local address. RFC 4007 §11 */
  readonly zone: string | undefined
}

/** Parses an IP address in any notation; undefined when `text` is not one. RFC 4291 §2.2 */
export const parseIp = (text: string): IpAddress | undefined => {
  const [address, zone, ...more] = text.split("%")
  if (more.length > 0 || zone === "") return undefined
  const bytes = address.includes(":")
    ? parseIpv6(address)
    : zone === undefined
      ? parseIpv4(address)
      : undefined
  return bytes && { bytes, zone }
}

const parseIpv4 = (text: string): Uint8Array | undefined => {
  const parts = text.split(".")
  if (parts.length !== 4) return undefined
  const bytes = new Uint8Array(4)
  for (let i = 0; i < 4; i++) {
    const byte = Number(parts[i])
    // as numbers are written: some parsers read a leading zero as octal, others do not
    if (!(byte >= 0 && byte <= 255) || String(byte) !== parts[i]) return undefined
    bytes[i] = byte
  }
  return bytes
}

const parseIpv6 = (text: string): Uint8Array | undefined => {
  const halves = text.split("::")
  if (halves.length > 2) return undefined
  const before = parseGroups(halves[0], halves.length === 1)
  const after = halves.length === 1 ? [] : parseGroups(halves[1], true)
  if (before === undefined || after === undefined) return undefined
  const length = before.length + after.length
  // RFC 4291 §2.2: "::" stands for one or more groups of zeros
  if (halves.length === 1 ? length !== 16 : length > 14) return undefined
  const bytes = new Uint8Array(16)
  bytes.set(before)
  bytes.set(after, 16 - after.length)
  return bytes
}

/** The bytes of the groups between colons; at the end of the address, the last may be an IPv4 address. */
const parseGroups = (text: string, isEnd: boolean): ReadonlyArray<number> | undefined => {
  if (text === "") return []
  const bytes: Array<number> = []
  const groups = text.split(":")
  for (const [i, group] of groups.entries()) {
    const dotted = isEnd && i === groups.length - 1 ? parseIpv4(group) : undefined
    if (dotted !== undefined) bytes.push(...dotted)
    else if (/^[0-9a-f]{1,4}$/i.test(group))
      bytes.push(Number.parseInt(group, 16) >> 8, Number.parseInt(group, 16) & 0xff)
    else return undefined
  }
  return bytes
}

/** IPv4 dotted, IPv6 with the first longest run of zero groups left out. RFC 5952 §4 */
export const formatIp = (bytes: Uint8Array): string => {
  if (bytes.length === 4) return bytes.join(".")
  const groups: Array<number> = []
  for (let i = 0; i < 16; i += 2) groups.push((bytes[i] << 8) | bytes[i + 1])
  let from = 0
  let zeros = 1 // a single zero group is not compressed
  for (let i = 0; i < 8; i++) {
    let run = 0
    while (groups[i + run] === 0) run++
    if (run > zeros) [from, zeros] = [i, run]
  }
  const text = (part: ReadonlyArray<number>) => part.map((group) => group.toString(16)).join(":")
  return zeros === 1 ? text(groups) : `${text(groups.slice(0, from))}::${text(groups.slice(from + zeros))}`
}

/** The IPv4 address in an IPv4-mapped IPv6 address; any other one unchanged. RFC 4291 §2.5.5.2 */
export const unmap = (bytes: Uint8Array): Uint8Array => {
  const isMapped =
    bytes.length === 16 &&
    bytes.findIndex((byte) => byte !== 0) === 10 &&
    bytes[10] === 0xff &&
    bytes[11] === 0xff
  return isMapped ? bytes.slice(12) : bytes
}

/** An address that requires a zone. RFC 4291 §2.5.6 */
export const isLinkLocalIpv6 = (bytes: Uint8Array): boolean =>
  bytes.length === 16 && bytes[0] === 0xfe && bytes[1] >> 6 === 2
