/** The two packets without a packet number: Version Negotiation and Retry. RFC 9000 §17.2.1, §17.2.5 */
import type { RandomBytes } from "../internal/RandomBytes.ts"
import { ByteReader } from "./ByteReader.ts"
import { ByteWriter } from "./ByteWriter.ts"
import type { PacketHeader } from "./PacketHeader.ts"
import { Version } from "./PacketType.ts"

/** A reserved version, which forces clients to cope with unknown ones. RFC 9000 §6.3 */
export const reservedVersion = (random: RandomBytes): number => {
  const [a, b, c, d] = random(4)
  return ((((a << 24) | (b << 16) | (c << 8) | d) & 0xf0f0f0f0) | 0x0a0a0a0a) >>> 0
}

/** A server's answer to an unsupported version; `dcid` and `scid` are the client's SCID and DCID. */
export const writeVersionNegotiation = (
  dcid: Uint8Array,
  scid: Uint8Array,
  versions: ReadonlyArray<number>,
  random: RandomBytes
): Uint8Array => {
  const w = new ByteWriter(new Uint8Array(1 + 4 + 1 + dcid.length + 1 + scid.length + 4 * versions.length))
  // RFC 9000 §17.2.1 #2 #S1: the other bits are arbitrary; 0x40 distinguishes it from other protocols on the port
  w.u8(0xc0 | (random(1)[0] & 0x3f))
  w.u32(0)
  w.u8(dcid.length)
  w.copy(dcid)
  w.u8(scid.length)
  w.copy(scid)
  for (const version of versions) w.u32(version)
  return w.bytes
}

/** The versions a server offers; undefined when the list is empty or truncated. */
export const parseVersionNegotiation = (
  bytes: Uint8Array,
  header: PacketHeader
): ReadonlyArray<number> | undefined => {
  const r = new ByteReader(bytes, header.packetNumberOffset, header.end)
  if (r.remaining === 0 || r.remaining % 4 !== 0) return undefined
  const versions: Array<number> = []
  while (r.remaining > 0) versions.push(r.u32())
  return versions
}

/** A Retry packet without its integrity tag, which RFC 9001 §5.8 computes over it. */
export const writeRetry = (
  version: Version,
  dcid: Uint8Array,
  scid: Uint8Array,
  token: Uint8Array,
  random: RandomBytes
): Uint8Array => {
  const w = new ByteWriter(new Uint8Array(1 + 4 + 1 + dcid.length + 1 + scid.length + token.length))
  const type = version === Version.v2 ? 0 : 3
  w.u8(0xc0 | (type << 4) | (random(1)[0] & 0x0f))
  w.u32(version)
  w.u8(dcid.length)
  w.copy(dcid)
  w.u8(scid.length)
  w.copy(scid)
  w.copy(token)
  return w.bytes
}

/**
 * A copy of the token of a Retry, whose unused bits are ignored (RFC 9000 §17.2.5 #1); undefined without one before the
 * tag.
 */
export const parseRetry = (
  bytes: Uint8Array,
  header: PacketHeader
): { readonly token: Uint8Array } | undefined =>
  header.end - header.packetNumberOffset <= 16
    ? undefined
    : { token: bytes.slice(header.tokenStart, header.tokenEnd) }
