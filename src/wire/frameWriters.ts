/**
 * One writer per frame, the counterparts of the `FrameSink` methods. The caller ensures there is room; the `…Size`
 * functions compute it where it is not obvious. RFC 9000 §19
 */
import type { AckFrame } from "./AckFrame.ts"
import { type ByteWriter, varintSize } from "./ByteWriter.ts"
import { FrameType } from "./FrameType.ts"
import { parseIp } from "./ipAddress.ts"
import type { SocketAddress } from "./SocketAddress.ts"

export const writePadding = (w: ByteWriter, size: number): void => w.fill(FrameType.PADDING, size)

export const writePing = (w: ByteWriter): void => w.u8(FrameType.PING)

export const ackSize = (ack: AckFrame): number => {
  let size =
    1 +
    (ack.isPathAck ? varintSize(ack.pathId) : 0) +
    varintSize(ack.largest) +
    varintSize(ack.delayRaw) +
    varintSize(ack.rangeCount - 1) +
    varintSize(ack.largestOf[0] - ack.smallest[0])
  for (let i = 1; i < ack.rangeCount; i++)
    size +=
      varintSize(ack.smallest[i - 1] - ack.largestOf[i] - 2) + varintSize(ack.largestOf[i] - ack.smallest[i])
  if (ack.hasEcn) size += varintSize(ack.ect0) + varintSize(ack.ect1) + varintSize(ack.ce)
  return size
}

export const writeAck = (w: ByteWriter, ack: AckFrame): void => {
  w.u8((ack.isPathAck ? FrameType.PATH_ACK : FrameType.ACK) | (ack.hasEcn ? 1 : 0))
  if (ack.isPathAck) w.varint(ack.pathId)
  w.varint(ack.largest)
  w.varint(ack.delayRaw)
  w.varint(ack.rangeCount - 1)
  w.varint(ack.largestOf[0] - ack.smallest[0])
  for (let i = 1; i < ack.rangeCount; i++) {
    w.varint(ack.smallest[i - 1] - ack.largestOf[i] - 2)
    w.varint(ack.largestOf[i] - ack.smallest[i])
  }
  if (ack.hasEcn) {
    w.varint(ack.ect0)
    w.varint(ack.ect1)
    w.varint(ack.ce)
  }
}

export const writeResetStream = (w: ByteWriter, id: number, errorCode: number, finalSize: number): void => {
  w.u8(FrameType.RESET_STREAM)
  w.varint(id)
  w.varint(errorCode)
  w.varint(finalSize)
}

export const writeResetStreamAt = (
  w: ByteWriter,
  id: number,
  errorCode: number,
  finalSize: number,
  reliableSize: number
): void => {
  w.u8(FrameType.RESET_STREAM_AT)
  w.varint(id)
  w.varint(errorCode)
  w.varint(finalSize)
  w.varint(reliableSize)
}

export const writeStopSending = (w: ByteWriter, id: number, errorCode: number): void => {
  w.u8(FrameType.STOP_SENDING)
  w.varint(id)
  w.varint(errorCode)
}

/** The caller writes the `length` bytes of data. */
export const writeCryptoHeader = (w: ByteWriter, offset: number, length: number): void => {
  w.u8(FrameType.CRYPTO)
  w.varint(offset)
  w.varint(length)
}

export const writeNewToken = (w: ByteWriter, token: Uint8Array): void => {
  w.u8(FrameType.NEW_TOKEN)
  w.varint(token.length)
  w.copy(token)
}

/** The size of a STREAM frame before its data; `length` −1 for one that extends to the end of the packet. */
export const streamHeaderSize = (id: number, offset: number, length: number): number =>
  1 + varintSize(id) + (offset > 0 ? varintSize(offset) : 0) + (length >= 0 ? varintSize(length) : 0)

/** The caller writes the data; `length` −1 for a frame that extends to the end of the packet. */
export const writeStreamHeader = (
  w: ByteWriter,
  id: number,
  offset: number,
  length: number,
  fin: boolean
): void => {
  w.u8(FrameType.STREAM | (offset > 0 ? 0x04 : 0) | (length >= 0 ? 0x02 : 0) | (fin ? 0x01 : 0))
  w.varint(id)
  if (offset > 0) w.varint(offset)
  if (length >= 0) w.varint(length)
}

export const writeMaxData = (w: ByteWriter, limit: number): void => {
  w.u8(FrameType.MAX_DATA)
  w.varint(limit)
}

export const writeMaxStreamData = (w: ByteWriter, id: number, limit: number): void => {
  w.u8(FrameType.MAX_STREAM_DATA)
  w.varint(id)
  w.varint(limit)
}

export const writeMaxStreams = (w: ByteWriter, unidirectional: boolean, limit: number): void => {
  w.u8(unidirectional ? FrameType.MAX_STREAMS_UNI : FrameType.MAX_STREAMS_BIDI)
  w.varint(limit)
}

export const writeDataBlocked = (w: ByteWriter, limit: number): void => {
  w.u8(FrameType.DATA_BLOCKED)
  w.varint(limit)
}

export const writeStreamDataBlocked = (w: ByteWriter, id: number, limit: number): void => {
  w.u8(FrameType.STREAM_DATA_BLOCKED)
  w.varint(id)
  w.varint(limit)
}

export const writeStreamsBlocked = (w: ByteWriter, unidirectional: boolean, limit: number): void => {
  w.u8(unidirectional ? FrameType.STREAMS_BLOCKED_UNI : FrameType.STREAMS_BLOCKED_BIDI)
  w.varint(limit)
}

/** In place of a path ID, for a frame without one: it is about path 0. */
export const NO_PATH_ID = -1

/** NEW_CONNECTION_ID or PATH_NEW_CONNECTION_ID. */
export const writeNewConnectionId = (
  w: ByteWriter,
  sequence: number,
  retirePriorTo: number,
  id: Uint8Array,
  token: Uint8Array,
  pathId = NO_PATH_ID
): void => {
  writePathType(w, FrameType.NEW_CONNECTION_ID, FrameType.PATH_NEW_CONNECTION_ID, pathId)
  w.varint(sequence)
  w.varint(retirePriorTo)
  w.u8(id.length)
  w.copy(id)
  w.copy(token)
}

/** RETIRE_CONNECTION_ID or PATH_RETIRE_CONNECTION_ID. */
export const writeRetireConnectionId = (w: ByteWriter, sequence: number, pathId = NO_PATH_ID): void => {
  writePathType(w, FrameType.RETIRE_CONNECTION_ID, FrameType.PATH_RETIRE_CONNECTION_ID, pathId)
  w.varint(sequence)
}

/** `data` is 8 bytes. */
export const writePathChallenge = (w: ByteWriter, data: Uint8Array): void => {
  w.u8(FrameType.PATH_CHALLENGE)
  w.copy(data)
}

/** `data` is the 8 bytes of the challenge. */
export const writePathResponse = (w: ByteWriter, data: Uint8Array): void => {
  w.u8(FrameType.PATH_RESPONSE)
  w.copy(data)
}

/** Truncates the reason to fit. `frameType` is only part of transport closes. RFC 9000 §19.19 */
export const writeConnectionClose = (
  w: ByteWriter,
  application: boolean,
  errorCode: number,
  frameType: number,
  reason: Uint8Array
): void => {
  w.u8(application ? FrameType.APPLICATION_CLOSE : FrameType.CONNECTION_CLOSE)
  w.varint(errorCode)
  if (!application) w.varint(frameType)
  let room = Math.min(reason.length, Math.max(0, w.remaining - 2))
  // UTF-8 (RFC 9000 §19.19): not in the middle of a character
  while (room > 0 && (reason[room] & 0xc0) === 0x80) room--
  w.varint(room)
  w.copy(reason, 0, room)
}

export const writeHandshakeDone = (w: ByteWriter): void => w.u8(FrameType.HANDSHAKE_DONE)

/** The size of a DATAGRAM frame with a length. RFC 9221 §4 */
export const datagramSize = (length: number): number => 1 + varintSize(length) + length

export const writeDatagram = (w: ByteWriter, bytes: Uint8Array): void => {
  w.u8(FrameType.DATAGRAM_LEN)
  w.varint(bytes.length)
  w.copy(bytes)
}

// RFC 9000 §12.4 #5: a two-byte type, encoded as a varint
export const writeAckFrequency = (
  w: ByteWriter,
  sequence: number,
  threshold: number,
  maxAckDelayMicros: number,
  reordering: number
): void => {
  w.varint(FrameType.ACK_FREQUENCY)
  w.varint(sequence)
  w.varint(threshold)
  w.varint(maxAckDelayMicros)
  w.varint(reordering)
}

export const writeImmediateAck = (w: ByteWriter): void => w.u8(FrameType.IMMEDIATE_ACK)

/** The type of a frame in its form without a path ID, or else the other one and the path ID. */
const writePathType = (w: ByteWriter, type: number, pathType: number, pathId: number): void => {
  if (pathId === NO_PATH_ID) return w.u8(type)
  w.varint(pathType)
  w.varint(pathId)
}

/** A frame of draft-ietf-quic-multipath §4 with two fields: of all, the first is a path ID. */
export const writePathFrame = (
  w: ByteWriter,
  type:
    | typeof FrameType.PATH_ABANDON
    | typeof FrameType.PATH_STATUS_BACKUP
    | typeof FrameType.PATH_STATUS_AVAILABLE
    | typeof FrameType.PATH_CIDS_BLOCKED,
  pathId: number,
  field: number
): void => {
  w.varint(type)
  w.varint(pathId)
  w.varint(field)
}

export const writeMaxPathId = (w: ByteWriter, maximum: number): void => {
  w.varint(FrameType.MAX_PATH_ID)
  w.varint(maximum)
}

export const writePathsBlocked = (w: ByteWriter, maximum: number): void => {
  w.varint(FrameType.PATHS_BLOCKED)
  w.varint(maximum)
}

/** The longest frame with an address: a type in four bytes, a number in eight, IPv6, and the port. */
export const ADDRESS_FRAME_BYTES = 4 + 8 + 16 + 2

/** A frame with a number and an address of either family; `type` is that for IPv4. */
export const writeAddressFrame = (
  w: ByteWriter,
  type: typeof FrameType.ADD_ADDRESS | typeof FrameType.REACH_OUT | typeof FrameType.OBSERVED_ADDRESS,
  number: number,
  { host, port }: SocketAddress
): void => {
  const { bytes } = parseIp(host)!
  w.varint(bytes.length === 4 ? type : type + 1)
  w.varint(number)
  w.copy(bytes)
  w.u16(port)
}

export const writeRemoveAddress = (w: ByteWriter, sequence: number): void => {
  w.varint(FrameType.REMOVE_ADDRESS)
  w.varint(sequence)
}
