/** Frames of iroh's relay protocol, version 2: each binary message of a WebSocket is one of them. */
import type { EcnCodepoint } from "../capability/UdpPort.ts"
import { PUBLIC_KEY_BYTES } from "../internal/ed25519.ts"
import { ByteReader } from "../wire/ByteReader.ts"
import { ByteWriter, varintSize } from "../wire/ByteWriter.ts"

/** The WebSocket subprotocol. */
export const RELAY_PROTOCOL = "iroh-relay-v2"

/** The path of the WebSocket, below that of the relay's URL. */
export const RELAY_PATH = "/relay"

/** A frame with its type; longer ones are not taken. */
export const MAX_FRAME_BYTES = 64 * 1024

/** Type, key and ECN of a datagram's frame. */
export const DATAGRAM_OVERHEAD = 1 + PUBLIC_KEY_BYTES + 1

/** What a relayed datagram can have at most. */
export const MAX_DATAGRAM_BYTES = MAX_FRAME_BYTES - DATAGRAM_OVERHEAD

export const CHALLENGE_BYTES = 16
export const SIGNATURE_BYTES = 64
export const PING_BYTES = 8

/** What a relay may say about why it lets nobody in. */
export const MAX_REASON_BYTES = 1024

export const RelayFrameType = {
  serverChallenge: 0,
  clientAuth: 1,
  serverConfirmsAuth: 2,
  serverDeniesAuth: 3,
  clientDatagram: 4,
  clientBatch: 5,
  relayDatagram: 6,
  relayBatch: 7,
  endpointGone: 8,
  ping: 9,
  pong: 10,
  restarting: 12,
  status: 13
} as const

/** What a Status frame says; others are to be ignored. */
export const RelayStatus = {
  healthy: 0,
  /** Another connection has authenticated with the same key; this one receives nothing more. */
  replaced: 1,
  rateLimited: 2
} as const

/** Postcard's length of a byte string precedes the signature of a ClientAuth: 64, in one byte. */
const SIGNATURE_LENGTH = SIGNATURE_BYTES

/**
 * One received frame. `parse` sets `type` and the fields that the type has; the rest are left from before. Offsets are
 * into the bytes parsed, which are borrowed.
 */
export class ReceivedRelayFrame {
  type = -1
  /** The challenge, the key, or the 8 bytes of a ping. */
  headStart = 0
  /** The signature of a ClientAuth. */
  signatureStart = 0
  ecn: EcnCodepoint = 0
  /** What each datagram of a batch but the last has; 0 for one that is alone. */
  segmentBytes = 0
  /** Datagrams, or the reason of a denial. */
  bodyStart = 0
  bodyEnd = 0
  reconnectInMillis = 0
  tryForMillis = 0
  status = 0
  private readonly reader = new ByteReader()

  /** False for what is no frame; a frame of an unknown type is one, and to be ignored. */
  parse(bytes: Uint8Array, start = 0, end = bytes.length): boolean {
    if (end - start > MAX_FRAME_BYTES) return false
    const reader = this.reader.reset(bytes, start, end)
    this.type = reader.varint()
    const known = this.readBody(reader)
    // the bytes belong to the caller
    reader.bytes = nothing
    return known && !reader.failed
  }

  private readBody(reader: ByteReader): boolean {
    switch (this.type) {
      case RelayFrameType.serverChallenge:
        return this.readHead(reader, CHALLENGE_BYTES)
      case RelayFrameType.clientAuth:
        this.headStart = reader.skip(PUBLIC_KEY_BYTES)
        if (reader.u8() !== SIGNATURE_LENGTH) return false
        this.signatureStart = reader.skip(SIGNATURE_BYTES)
        return reader.remaining === 0
      case RelayFrameType.serverConfirmsAuth:
        return reader.remaining === 0
      case RelayFrameType.serverDeniesAuth:
        return this.readReason(reader)
      case RelayFrameType.clientDatagram:
      case RelayFrameType.relayDatagram:
        return this.readDatagrams(reader, false)
      case RelayFrameType.clientBatch:
      case RelayFrameType.relayBatch:
        return this.readDatagrams(reader, true)
      case RelayFrameType.endpointGone:
        return this.readHead(reader, PUBLIC_KEY_BYTES)
      case RelayFrameType.ping:
      case RelayFrameType.pong:
        return this.readHead(reader, PING_BYTES)
      case RelayFrameType.restarting:
        this.reconnectInMillis = reader.u32()
        this.tryForMillis = reader.u32()
        return reader.remaining === 0
      case RelayFrameType.status:
        this.status = reader.u8()
        return reader.remaining === 0
      default:
        return true
    }
  }

  private readHead(reader: ByteReader, length: number): boolean {
    this.headStart = reader.skip(length)
    return reader.remaining === 0
  }

  private readDatagrams(reader: ByteReader, isBatch: boolean): boolean {
    this.headStart = reader.skip(PUBLIC_KEY_BYTES)
    const ecn = reader.u8()
    if (ecn > 3) return false
    this.ecn = ecn as EcnCodepoint
    this.segmentBytes = isBatch ? reader.u16() : 0
    this.bodyStart = reader.offset
    this.bodyEnd = reader.end
    return !isBatch || this.segmentBytes > 0
  }

  /** A string of postcard: its length as LEB128, then UTF-8. */
  private readReason(reader: ByteReader): boolean {
    const low = reader.u8()
    const length = low < 0x80 ? low : (low & 0x7f) | (reader.u8() << 7)
    this.bodyStart = reader.offset
    this.bodyEnd = reader.end
    return length <= MAX_REASON_BYTES && length === reader.remaining
  }
}

const nothing = new Uint8Array(0)

const frame = (length: number, type: number): ByteWriter => {
  const writer = new ByteWriter(new Uint8Array(varintSize(type) + length))
  writer.varint(type)
  return writer
}

const frameOf = (type: number, body: Uint8Array): Uint8Array => {
  const writer = frame(body.length, type)
  writer.copy(body)
  return writer.bytes
}

export const encodeChallenge = (challenge: Uint8Array): Uint8Array =>
  frameOf(RelayFrameType.serverChallenge, challenge)

export const encodeClientAuth = (publicKey: Uint8Array, signature: Uint8Array): Uint8Array => {
  const writer = frame(PUBLIC_KEY_BYTES + 1 + SIGNATURE_BYTES, RelayFrameType.clientAuth)
  writer.copy(publicKey)
  writer.u8(SIGNATURE_LENGTH)
  writer.copy(signature)
  return writer.bytes
}

export const encodeConfirmsAuth = (): Uint8Array => frameOf(RelayFrameType.serverConfirmsAuth, nothing)

/** `reason` is cut off where it would be longer than it may be. */
export const encodeDeniesAuth = (reason: string): Uint8Array => {
  const text = new Uint8Array(MAX_REASON_BYTES)
  const { written } = new TextEncoder().encodeInto(reason, text)
  const isShort = written < 0x80
  const writer = frame((isShort ? 1 : 2) + written, RelayFrameType.serverDeniesAuth)
  if (isShort) writer.u8(written)
  else {
    writer.u8((written & 0x7f) | 0x80)
    writer.u8(written >> 7)
  }
  writer.copy(text, 0, written)
  return writer.bytes
}

type DatagramType = typeof RelayFrameType.clientDatagram | typeof RelayFrameType.relayDatagram

/** A datagram, `buffer[start, end)`: to the holder of the key at a relay, or from it at a client. */
export const encodeDatagram = (
  type: DatagramType,
  key: Uint8Array,
  ecn: EcnCodepoint,
  buffer: Uint8Array,
  start = 0,
  end = buffer.length
): Uint8Array => {
  const writer = frame(DATAGRAM_OVERHEAD - 1 + end - start, type)
  writer.copy(key)
  writer.u8(ecn)
  writer.copy(buffer, start, end)
  return writer.bytes
}

type BatchType = typeof RelayFrameType.clientBatch | typeof RelayFrameType.relayBatch

/** Datagrams in a row, each but the last of `segmentBytes`, 1 to 65535. */
export const encodeBatch = (
  type: BatchType,
  key: Uint8Array,
  ecn: EcnCodepoint,
  segmentBytes: number,
  buffer: Uint8Array,
  start = 0,
  end = buffer.length
): Uint8Array => {
  const writer = frame(DATAGRAM_OVERHEAD + 1 + end - start, type)
  writer.copy(key)
  writer.u8(ecn)
  writer.u16(segmentBytes)
  writer.copy(buffer, start, end)
  return writer.bytes
}

/**
 * What a relay passes on of a frame with datagrams: the same, from the sender's key. Both directions have one layout, and
 * their types are two apart.
 */
export const encodeForwarded = (
  received: ReceivedRelayFrame,
  bytes: Uint8Array,
  from: Uint8Array
): Uint8Array => {
  const { headStart, bodyEnd } = received
  const rest = headStart + PUBLIC_KEY_BYTES
  const writer = frame(PUBLIC_KEY_BYTES + bodyEnd - rest, received.type + 2)
  writer.copy(from)
  writer.copy(bytes, rest, bodyEnd)
  return writer.bytes
}

export const encodeGone = (key: Uint8Array): Uint8Array => frameOf(RelayFrameType.endpointGone, key)

export const encodePing = (payload: Uint8Array): Uint8Array => frameOf(RelayFrameType.ping, payload)

export const encodePong = (payload: Uint8Array): Uint8Array => frameOf(RelayFrameType.pong, payload)

export const encodeRestarting = (reconnectInMillis: number, tryForMillis: number): Uint8Array => {
  const writer = frame(8, RelayFrameType.restarting)
  writer.u32(reconnectInMillis)
  writer.u32(tryForMillis)
  return writer.bytes
}

export const encodeStatus = (status: number): Uint8Array =>
  frameOf(RelayFrameType.status, Uint8Array.of(status))
