/**
 * What the streams and datagrams of a channel set begin with; see docs/channels.md.
 *
 * Sets and channels go by a hash of their names: it does not depend on the order of a declaration, so that channels can be
 * added anywhere, and takes four bytes whatever the name.
 */
import { ByteReader } from "../wire/ByteReader.ts"
import { ByteWriter, varintSize } from "../wire/ByteWriter.ts"

/** "ECH1" */
const MAGIC = 0x4543_4831

/** Magic and set: what a set claims its streams by. */
export const CLAIM_BYTES = 8
/** Versions, kind and channel. */
export const HEADER_BYTES = 9

/** What a stream is to its channel. */
export const StreamKind = {
  /** The one that opens the channel and, by its end, closes it; it carries the messages of an ordered one. */
  channel: 0,
  /** One message of an unordered channel. */
  message: 1
} as const

/** A range of versions, both ends included. */
export interface Versions {
  /** The one that is written. */
  readonly version: number
  /** The oldest that is understood. */
  readonly oldest: number
}

export interface StreamHeader extends Versions {
  readonly kind: number
  readonly channelId: number
}

export interface DatagramHeader extends Versions {
  readonly channelId: number
  /** Of the sender: numbers of another one begin anew. */
  readonly epoch: number
  /** Counts the datagrams of the sender, from 1. */
  readonly sequence: number
}

/** FNV-1a, 32 bits. */
export const hashOf = (name: string): number => {
  let hash = 0x811c_9dc5
  for (const byte of new TextEncoder().encode(name)) hash = Math.imul(hash ^ byte, 0x0100_0193)
  return hash >>> 0
}

/** Either side understands what the other writes. */
export const areCompatible = (one: Versions, other: Versions): boolean =>
  one.version >= other.oldest && other.version >= one.oldest

export const claimOf = (setId: number): Uint8Array => {
  const bytes = new Uint8Array(CLAIM_BYTES)
  const view = new DataView(bytes.buffer)
  view.setUint32(0, MAGIC)
  view.setUint32(4, setId)
  return bytes
}

export const preambleOf = (setId: number, header: StreamHeader): Uint8Array => {
  const bytes = new Uint8Array(CLAIM_BYTES + HEADER_BYTES)
  bytes.set(claimOf(setId))
  const view = new DataView(bytes.buffer, CLAIM_BYTES)
  view.setUint16(0, header.version)
  view.setUint16(2, header.oldest)
  view.setUint8(4, header.kind)
  view.setUint32(5, header.channelId)
  return bytes
}

/** Of exactly HEADER_BYTES; undefined if a field has no meaning. */
export const headerOf = (bytes: Uint8Array): StreamHeader | undefined => {
  const view = new DataView(bytes.buffer, bytes.byteOffset, HEADER_BYTES)
  const version = view.getUint16(0)
  const oldest = view.getUint16(2)
  const kind = view.getUint8(4)
  return kind > StreamKind.message || oldest > version
    ? undefined
    : { version, oldest, kind, channelId: view.getUint32(5) }
}

/** What a set claims its datagrams by: a varint of four bytes has 30 bits to use, of which the highest is set. */
export const datagramPrefixOf = (setId: number): number => 0x2000_0000 | (setId & 0x1fff_ffff)

/** A datagram behind its prefix. */
export const datagramOf = (header: DatagramHeader, message: Uint8Array): Uint8Array => {
  const { version, oldest, channelId, epoch, sequence } = header
  const size = varintSize(version) + varintSize(oldest) + 8 + varintSize(sequence) + message.length
  const writer = new ByteWriter(new Uint8Array(size))
  writer.varint(version)
  writer.varint(oldest)
  writer.u32(channelId)
  writer.u32(epoch)
  writer.varint(sequence)
  writer.copy(message)
  return writer.bytes
}

/** Undefined if it is cut off, or its range of versions ends before it begins. */
export const datagramHeaderOf = (
  bytes: Uint8Array
): (DatagramHeader & { readonly message: Uint8Array }) | undefined => {
  const reader = new ByteReader(bytes)
  const version = reader.varint()
  const oldest = reader.varint()
  const channelId = reader.u32()
  const epoch = reader.u32()
  const sequence = reader.varint()
  if (reader.failed || oldest > version) return undefined
  return { version, oldest, channelId, epoch, sequence, message: bytes.subarray(reader.offset) }
}
