import type { InitialKeyPair } from "../protect/initialKeys.ts"
import { AEAD_TAG_BYTES } from "../protect/CipherSuite.ts"
import { ByteWriter } from "../wire/ByteWriter.ts"
import { writeConnectionClose, writePadding } from "../wire/frameWriters.ts"
import { type PacketHeader, writeLongHeader } from "../wire/PacketHeader.ts"
import { PacketType, type Version } from "../wire/PacketType.ts"
import type { TransportError } from "../wire/TransportError.ts"

/**
 * Whether the Initial packet that `header` describes is authentic: undamaged, and written by somebody who knows its
 * destination ID. To be checked before any state is created for it. Leaves `bytes` unchanged. RFC 9001 §5.2
 */
export const isAuthenticInitial = (
  { client }: InitialKeyPair,
  datagram: Uint8Array,
  { packetNumberOffset, end }: PacketHeader
): boolean => {
  const bytes = datagram.slice(0, end)
  const numberLength = client.unmask(bytes, 0, packetNumberOffset, end)
  // the first few packet numbers of a connection are not truncated
  let packetNumber = 0
  for (let i = 0; i < numberLength; i++) packetNumber = packetNumber * 256 + bytes[packetNumberOffset + i]
  return numberLength > 0 && client.open(bytes, 0, packetNumberOffset, numberLength, end, packetNumber, 0)
}

/**
 * Refuses a connection without creating one: an Initial packet with CONNECTION_CLOSE, in answer to an Initial from
 * `clientSource` to `destination`. RFC 9000 §5.2.2, §8.1.2
 */
export const writeStatelessClose = (
  { server }: InitialKeyPair,
  version: Version,
  clientSource: Uint8Array,
  destination: Uint8Array,
  { code, reason }: TransportError
): Uint8Array => {
  const bytes = new Uint8Array(256)
  const w = new ByteWriter(bytes, 0, bytes.length - AEAD_TAG_BYTES)
  const lengthOffset = writeLongHeader(
    w,
    PacketType.Initial,
    version,
    clientSource,
    destination,
    undefined,
    1
  )
  const packetNumberOffset = w.offset
  w.u8(0)
  writeConnectionClose(w, false, code, 0, new TextEncoder().encode(reason))
  // RFC 9001 §5.4.2: room for the header-protection sample
  if (w.offset - packetNumberOffset < 4) writePadding(w, 4)
  const length = w.offset + AEAD_TAG_BYTES - packetNumberOffset
  bytes[lengthOffset] = 0x40 | (length >> 8)
  bytes[lengthOffset + 1] = length & 0xff
  return bytes.subarray(0, server.seal(bytes, 0, packetNumberOffset, 1, w.offset, 0, 0))
}
