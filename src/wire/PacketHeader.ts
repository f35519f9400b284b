import { ByteReader } from "./ByteReader.ts"
import type { ByteWriter } from "./ByteWriter.ts"
import { PacketType, Version } from "./PacketType.ts"

/** The longest connection ID of versions 1 and 2. RFC 9000 §17.2 */
export const MAX_CID_BYTES = 20

/** The version-independent part and the packet's extent in its datagram; reused from packet to packet. RFC 8999 §5 */
export class PacketHeader {
  type: PacketType = PacketType.Initial
  /** 0 in short headers and Version Negotiation. */
  version = 0
  firstByte = 0
  dcidStart = 0
  dcidEnd = 0
  scidStart = 0
  scidEnd = 0
  /** The token of an Initial or Retry. */
  tokenStart = 0
  tokenEnd = 0
  /** Offset of the protected packet number; for Retry and Version Negotiation, of what follows the header. */
  packetNumberOffset = 0
  /** The end of this packet, where the next coalesced one begins. */
  end = 0
}

export const isSupportedVersion = (version: number): version is Version =>
  version === Version.v1 || version === Version.v2

/** RFC 9369 §3.2 moved the long packet types: Initial 01, 0-RTT 10, Handshake 11, Retry 00. */
const typesV1 = [PacketType.Initial, PacketType.ZeroRtt, PacketType.Handshake, PacketType.Retry] as const
const typesV2 = [PacketType.Retry, PacketType.Initial, PacketType.ZeroRtt, PacketType.Handshake] as const

const reader = new ByteReader()

/**
 * Parses the header of the packet at `start`. False when it cannot be a packet for us: the rest of the datagram is then
 * dropped silently.
 *
 * A long header of an unsupported version is parsed as far as RFC 8999 allows (version and connection IDs, `end` at the
 * end of the datagram), so that a server can answer with Version Negotiation.
 */
export const parsePacketHeader = (
  bytes: Uint8Array,
  start: number,
  end: number,
  localCidLength: number,
  header: PacketHeader,
  allowGreasedBit = false
): boolean => {
  if (start >= end) return false
  const first = bytes[start]
  header.firstByte = first
  header.tokenStart = header.tokenEnd = 0
  if ((first & 0x80) === 0) return parseShort(start, end, localCidLength, header, allowGreasedBit)
  const r = reader.reset(bytes, start + 1, end)
  header.version = r.u32()
  const dcidLength = r.u8()
  header.dcidStart = r.skip(dcidLength)
  header.dcidEnd = r.offset
  const scidLength = r.u8()
  header.scidStart = r.skip(scidLength)
  header.scidEnd = r.offset
  if (r.failed) return false
  header.packetNumberOffset = r.offset
  header.end = end
  // RFC 9000 §17.2 #S1 #S2, §17.2.1 #1 #5: other versions define the rest of the first byte and the length of IDs
  if (header.version === 0) {
    header.type = PacketType.VersionNegotiation
    return true
  }
  if (!isSupportedVersion(header.version)) {
    header.type = PacketType.Initial
    return true
  }
  // RFC 9000 §17.2 #1 #3 #5: MUST be 1 unless both sides agreed otherwise (RFC 9287), and longer IDs MUST be dropped
  if ((first & 0x40) === 0 && !allowGreasedBit) return false
  if (dcidLength > MAX_CID_BYTES || scidLength > MAX_CID_BYTES) return false
  header.type = (header.version === Version.v2 ? typesV2 : typesV1)[(first >> 4) & 3]
  if (header.type === PacketType.Retry) {
    header.tokenStart = r.offset
    header.tokenEnd = Math.max(r.offset, end - 16)
    return true
  }
  if (header.type === PacketType.Initial) {
    const tokenLength = r.varint()
    header.tokenStart = r.skip(tokenLength)
    header.tokenEnd = r.offset
  }
  const length = r.varint()
  header.packetNumberOffset = r.offset
  header.end = r.offset + length
  return !r.failed && header.end <= end
}

const parseShort = (
  start: number,
  end: number,
  localCidLength: number,
  header: PacketHeader,
  allowGreasedBit: boolean
): boolean => {
  // RFC 9000 §17.3.1 #1
  if ((header.firstByte & 0x40) === 0 && !allowGreasedBit) return false
  // RFC 9000 §17.4 #4: the spin bit is ignored
  header.type = PacketType.OneRtt
  header.version = 0
  header.dcidStart = start + 1
  header.dcidEnd = start + 1 + localCidLength
  header.scidStart = header.scidEnd = header.dcidEnd
  header.packetNumberOffset = header.dcidEnd
  header.end = end
  return header.dcidEnd <= end
}

/** The long packet type bits of a version. */
const longTypeBits = (type: PacketType, version: number): number =>
  (version === Version.v2
    ? (typesV2 as ReadonlyArray<PacketType>)
    : (typesV1 as ReadonlyArray<PacketType>)
  ).indexOf(type)

/**
 * Writes a long header up to the packet number and returns the offset of its two-byte Length field; `seal` fills it in.
 * The reserved bits are 0. RFC 9000 §17.2 #6
 */
export const writeLongHeader = (
  w: ByteWriter,
  type: PacketType,
  version: number,
  dcid: Uint8Array,
  scid: Uint8Array,
  token: Uint8Array | undefined,
  packetNumberLength: number
): number => {
  w.u8(0xc0 | (longTypeBits(type, version) << 4) | (packetNumberLength - 1))
  w.u32(version)
  w.u8(dcid.length)
  w.copy(dcid)
  w.u8(scid.length)
  w.copy(scid)
  if (type === PacketType.Initial) {
    w.varint(token === undefined ? 0 : token.length)
    if (token !== undefined) w.copy(token)
  }
  const lengthOffset = w.offset
  w.u16(0x4000)
  return lengthOffset
}

/** The reserved bits are 0. RFC 9000 §17.3.1 #2 */
export const writeShortHeader = (
  w: ByteWriter,
  dcid: Uint8Array,
  spin: boolean,
  keyPhase: number,
  packetNumberLength: number
): void => {
  w.u8(0x40 | (spin ? 0x20 : 0) | (keyPhase << 2) | (packetNumberLength - 1))
  w.copy(dcid)
}
