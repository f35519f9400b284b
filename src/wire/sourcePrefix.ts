/** The part of an address that one host, or one customer, cannot change: what limits per source are counted by. */
import type { SocketAddress } from "./SocketAddress.ts"

/** Bytes that `writeSource` needs. */
export const SOURCE_BYTES = 16

const COLON = 0x3a
const PERCENT = 0x25

/**
 * Writes the source of datagrams from an address into `into`, and returns its length: an IPv4 address, or the first 64
 * bits of an IPv6 address, as every customer has at least a /64. Allocates nothing, as strangers may be many.
 *
 * A link's hosts share its prefix, as do all hosts behind a NAT64 or SIIT translator: these count by the whole address.
 * RFC 4291 §2.5.4, RFC 6052 §2.1, RFC 6177
 */
export const writeSource = ({ host, family }: SocketAddress, into: Uint8Array): number =>
  family === 4 ? writeIpv4(host, into) : writeIpv6(host, into)

const writeIpv4 = (text: string, into: Uint8Array): number => {
  let at = 0
  into[0] = 0
  for (let i = 0; i < text.length; i++) {
    const digit = text.charCodeAt(i) - 0x30
    if (digit >= 0 && digit <= 9) into[at] = into[at] * 10 + digit
    else into[++at] = 0
  }
  return 4
}

const writeIpv6 = (text: string, into: Uint8Array): number => {
  into.fill(0, 0, SOURCE_BYTES)
  let at = 0
  let gap = -1
  let group = 0
  let isInGroup = false
  for (let i = 0; i <= text.length && at < SOURCE_BYTES; i++) {
    const code = i < text.length ? text.charCodeAt(i) : PERCENT
    if (code !== COLON && code !== PERCENT) {
      group = group * 16 + (code <= 0x39 ? code - 0x30 : (code & 0xdf) - 0x37)
      isInGroup = true
      continue
    }
    if (isInGroup) {
      into[at++] = group >> 8
      into[at++] = group
    } else if (code === COLON) gap = at
    group = 0
    isInGroup = false
    if (code === PERCENT) break
  }
  if (gap >= 0) closeGap(into, gap, at)
  return isPrefixShared(into) ? SOURCE_BYTES : SOURCE_BYTES / 2
}

/** The groups written from `gap` on belong to the end of the address: "::" stands for zeros. */
const closeGap = (into: Uint8Array, gap: number, end: number): void => {
  const moved = end - gap
  into.copyWithin(SOURCE_BYTES - moved, gap, end)
  into.fill(0, gap, SOURCE_BYTES - moved)
}

const isPrefixShared = (bytes: Uint8Array): boolean =>
  (bytes[0] === 0xfe && bytes[1] >> 6 === 2) ||
  (bytes[1] === 0x64 && bytes[2] === 0xff && bytes[3] === 0x9b && bytes[0] === 0)
