import type { Role } from "./Role.ts"
import { AckFrame, MAX_ACK_RANGES } from "./AckFrame.ts"
import { ByteReader } from "./ByteReader.ts"
import {
  extensionFlags,
  FrameExtension,
  FrameFlag,
  FrameType as F,
  frameFlags,
  frameProperties
} from "./FrameType.ts"
import type { FrameResult, FrameSink } from "./FrameSink.ts"
import type { PacketType } from "./PacketType.ts"
import { TransportError, TransportErrorCode } from "./TransportError.ts"

/** The double nearest to the largest varint, 2^62 − 1. */
const MAX_62 = 2 ** 62

/** Scratch shared by all decoders; reset by each `decode`. */
const r = new ByteReader()
const ack = new AckFrame()

/**
 * Decodes a packet payload into calls of a `FrameSink`: one switch, no allocation. RFC 9000 §12.4, §19
 *
 * The time for a hostile payload is linear in its length: every frame takes at least one byte, and every ACK range at
 * least two.
 */
export class FrameDecoder {
  /** Type of the frame that the sink is told of. */
  type = 0
  /** Whether the packet of the last `decode` must be acknowledged. RFC 9000 §13.2 */
  ackEliciting = false
  /** Whether all frames of the last `decode` were probing frames. RFC 9000 §9.1 */
  probingOnly = true

  /** The `frameFlags` bits of frames this peer must not send. */
  private readonly refused: number

  /** `sender` is the peer's role, if known; `extensions` is a set of `FrameExtension` bits. */
  constructor(sender: Role | "either", extensions: number) {
    this.refused =
      extensionFlags(FrameExtension.all & ~extensions) |
      (sender === "client" ? FrameFlag.serverOnly : 0) |
      (sender === "server" ? FrameFlag.clientOnly : 0)
  }

  /** Decodes `bytes[start, end)` up to the first error, its own or the sink's. */
  decode(
    bytes: Uint8Array,
    start: number,
    end: number,
    packetType: PacketType,
    sink: FrameSink
  ): FrameResult {
    this.ackEliciting = false
    this.probingOnly = true
    // RFC 9000 §12.4 #2: a packet without frames is a PROTOCOL_VIOLATION
    if (start >= end)
      return new TransportError(TransportErrorCode.PROTOCOL_VIOLATION, "a packet without frames")
    r.reset(bytes, start, end)
    const permission = 1 << packetType
    while (r.offset < end) {
      if (bytes[r.offset] === F.PADDING) {
        do r.offset++
        while (r.offset < end && bytes[r.offset] === F.PADDING)
        continue
      }
      const at = r.offset
      const type = r.varint()
      if (r.failed)
        return new TransportError(TransportErrorCode.FRAME_ENCODING_ERROR, "a frame type cut short")
      // RFC 9000 §12.4 #5: frame types use the shortest encoding
      if (r.offset - at !== (type < 0x40 ? 1 : type < 0x4000 ? 2 : type < 0x4000_0000 ? 4 : 8))
        return new TransportError(
          TransportErrorCode.PROTOCOL_VIOLATION,
          "frame type not in its shortest encoding"
        )
      this.type = type
      const flags = frameFlags(type)
      // RFC 9000 §12.4 #3, §17.2.4
      if ((flags & permission) === 0)
        return new TransportError(
          TransportErrorCode.PROTOCOL_VIOLATION,
          `frame 0x${type.toString(16)} in a packet type that may not carry it`,
          type
        )
      if ((flags & this.refused) !== 0) return refusal(type, flags & this.refused)
      if ((flags & FrameFlag.ackEliciting) !== 0) this.ackEliciting = true
      if ((flags & FrameFlag.nonProbing) !== 0) this.probingOnly = false
      const result = this.frame(type, bytes, sink)
      if (r.failed) return malformed("truncated", type)
      if (result !== undefined) return result
    }
    return undefined
  }

  private frame(type: number, bytes: Uint8Array, sink: FrameSink): FrameResult {
    if (type >= F.STREAM && type <= F.STREAM + 7) return this.stream(type, bytes, sink)
    switch (type) {
      case F.PING:
        return sink.onPing()
      case F.ACK:
      case F.ACK_ECN:
        return this.ackFrame(type, 0, sink)
      case F.PATH_ACK:
      case F.PATH_ACK_ECN:
        return this.ackFrame(type, r.varint(), sink)
      case F.RESET_STREAM: {
        const id = r.varint()
        const code = r.varint()
        const finalSize = r.varint()
        return r.failed ? undefined : sink.streams.onResetStream(id, code, finalSize)
      }
      case F.RESET_STREAM_AT: {
        const id = r.varint()
        const code = r.varint()
        const finalSize = r.varint()
        const reliableSize = r.varint()
        if (r.failed) return undefined
        if (reliableSize > finalSize) return malformed("reliable size above the final size", type)
        return sink.streams.onResetStreamAt(id, code, finalSize, reliableSize)
      }
      case F.STOP_SENDING: {
        const id = r.varint()
        const code = r.varint()
        return r.failed ? undefined : sink.streams.onStopSending(id, code)
      }
      case F.CRYPTO: {
        const offset = r.varint()
        const length = r.varint()
        const start = r.skip(length)
        if (r.failed) return undefined
        if (offset + length >= MAX_62) return malformed("offset and length exceed 2^62-1", type)
        return sink.onCrypto(offset, bytes, start, start + length)
      }
      case F.NEW_TOKEN: {
        const length = r.varint()
        const start = r.skip(length)
        if (r.failed) return undefined
        // RFC 9000 §19.7 #2
        return length === 0 ? malformed("empty token", type) : sink.onNewToken(bytes, start, start + length)
      }
      case F.MAX_DATA: {
        const limit = r.varint()
        return r.failed ? undefined : sink.streams.onMaxData(limit)
      }
      case F.MAX_STREAM_DATA: {
        const id = r.varint()
        const limit = r.varint()
        return r.failed ? undefined : sink.streams.onMaxStreamData(id, limit)
      }
      case F.MAX_STREAMS_BIDI:
      case F.MAX_STREAMS_UNI: {
        const limit = r.varint()
        if (r.failed) return undefined
        if (limit > 2 ** 60) return malformed("more than 2^60 streams", type) // RFC 9000 §19.11 #1
        return sink.streams.onMaxStreams(type === F.MAX_STREAMS_UNI, limit)
      }
      case F.DATA_BLOCKED: {
        const limit = r.varint()
        return r.failed ? undefined : sink.streams.onDataBlocked(limit)
      }
      case F.STREAM_DATA_BLOCKED: {
        const id = r.varint()
        const limit = r.varint()
        return r.failed ? undefined : sink.streams.onStreamDataBlocked(id, limit)
      }
      case F.STREAMS_BLOCKED_BIDI:
      case F.STREAMS_BLOCKED_UNI: {
        const limit = r.varint()
        if (r.failed) return undefined
        if (limit > 2 ** 60) return malformed("more than 2^60 streams", type) // RFC 9000 §19.14
        return sink.streams.onStreamsBlocked(type === F.STREAMS_BLOCKED_UNI, limit)
      }
      case F.NEW_CONNECTION_ID:
        return this.newConnectionId(type, 0, bytes, sink)
      case F.RETIRE_CONNECTION_ID: {
        const sequence = r.varint()
        return r.failed ? undefined : sink.onRetireConnectionId(0, sequence)
      }
      case F.PATH_CHALLENGE: {
        const start = r.skip(8)
        return r.failed ? undefined : sink.onPathChallenge(bytes, start)
      }
      case F.PATH_RESPONSE: {
        const start = r.skip(8)
        return r.failed ? undefined : sink.onPathResponse(bytes, start)
      }
      case F.CONNECTION_CLOSE:
      case F.APPLICATION_CLOSE: {
        const code = r.varint()
        const frameType = type === F.CONNECTION_CLOSE ? r.varint() : 0
        const length = r.varint()
        const start = r.skip(length)
        if (r.failed) return undefined
        return sink.onConnectionClose(
          type === F.APPLICATION_CLOSE,
          code,
          frameType,
          bytes,
          start,
          start + length
        )
      }
      case F.HANDSHAKE_DONE:
        return sink.onHandshakeDone()
      case F.DATAGRAM:
      case F.DATAGRAM_LEN: {
        const frameStart = r.offset - 1
        const length = type === F.DATAGRAM_LEN ? r.varint() : r.remaining
        const start = r.skip(length)
        return r.failed ? undefined : sink.onDatagram(bytes, start, start + length, r.offset - frameStart)
      }
      case F.ACK_FREQUENCY: {
        const sequence = r.varint()
        const threshold = r.varint()
        const delay = r.varint()
        const reordering = r.varint()
        return r.failed ? undefined : sink.onAckFrequency(sequence, threshold, delay, reordering)
      }
      case F.IMMEDIATE_ACK:
        return sink.onImmediateAck()
      default:
        return this.pathFrame(type, bytes, sink)
    }
  }

  /** draft-ietf-quic-multipath §4 */
  private pathFrame(type: number, bytes: Uint8Array, sink: FrameSink): FrameResult {
    if (type < F.PATH_ABANDON || type > F.PATH_CIDS_BLOCKED) return this.addressFrame(type, bytes, sink)
    // of all but MAX_PATH_ID and PATHS_BLOCKED, which have no other field, a path ID
    const first = r.varint()
    switch (type) {
      case F.PATH_ABANDON: {
        const code = r.varint()
        return r.failed ? undefined : sink.onPathAbandon(first, code)
      }
      case F.PATH_STATUS_BACKUP:
      case F.PATH_STATUS_AVAILABLE: {
        const sequence = r.varint()
        return r.failed ? undefined : sink.onPathStatus(first, sequence, type === F.PATH_STATUS_BACKUP)
      }
      case F.PATH_NEW_CONNECTION_ID:
        return this.newConnectionId(type, first, bytes, sink)
      case F.PATH_RETIRE_CONNECTION_ID: {
        const sequence = r.varint()
        return r.failed ? undefined : sink.onRetireConnectionId(first, sequence)
      }
      case F.MAX_PATH_ID:
        return r.failed ? undefined : sink.onMaxPathId(first)
      case F.PATHS_BLOCKED:
        return r.failed ? undefined : sink.onPathsBlocked(first)
      default: {
        const next = r.varint()
        return r.failed ? undefined : sink.onPathCidsBlocked(first, next)
      }
    }
  }

  /** draft-ietf-quic-address-discovery, and draft-bruynooghe-n0-quic-nat-traversal */
  private addressFrame(type: number, bytes: Uint8Array, sink: FrameSink): FrameResult {
    const isObserved = type === F.OBSERVED_ADDRESS || type === F.OBSERVED_ADDRESS_V6
    if (!isObserved && (type < F.ADD_ADDRESS || type > F.REMOVE_ADDRESS)) return unknown(type)
    const number = r.varint()
    if (type === F.REMOVE_ADDRESS) return r.failed ? undefined : sink.onRemoveAddress(number)
    const length = (type & 1) === 0 ? 4 : 16
    const start = r.skip(length)
    const port = r.u16()
    if (r.failed) return undefined
    if (isObserved) return sink.onObservedAddress(number, bytes, start, start + length, port)
    return type <= F.ADD_ADDRESS_V6
      ? sink.onAddAddress(number, bytes, start, start + length, port)
      : sink.onReachOut(number, bytes, start, start + length, port)
  }

  private stream(type: number, bytes: Uint8Array, sink: FrameSink): FrameResult {
    const id = r.varint()
    const offset = (type & 0x04) !== 0 ? r.varint() : 0
    const length = (type & 0x02) !== 0 ? r.varint() : r.remaining
    const start = r.skip(length)
    if (r.failed) return undefined
    // RFC 9000 §19.8 #2: the end of a stream cannot lie beyond 2^62-1
    if (offset + length >= MAX_62) return malformed("offset and length exceed 2^62-1", type)
    return sink.streams.onStream(id, offset, bytes, start, start + length, (type & 0x01) !== 0)
  }

  private ackFrame(type: number, pathId: number, sink: FrameSink): FrameResult {
    ack.pathId = pathId
    ack.isPathAck = type >= F.PATH_ACK
    ack.largest = r.varint()
    ack.delayRaw = r.varint()
    const more = r.varint()
    let smallest = ack.largest - r.varint()
    if (r.failed) return undefined
    if (smallest < 0) return malformed("range below zero", type) // RFC 9000 §19.3.1 #1
    ack.largestOf[0] = ack.largest
    ack.smallest[0] = smallest
    ack.rangeCount = 1
    for (let i = 0; i < more; i++) {
      const largest = smallest - r.varint() - 2
      smallest = largest - r.varint()
      if (r.failed) return undefined
      if (smallest < 0) return malformed("range below zero", type) // RFC 9000 §19.3.1
      if (ack.rangeCount < MAX_ACK_RANGES) {
        ack.largestOf[ack.rangeCount] = largest
        ack.smallest[ack.rangeCount++] = smallest
      }
    }
    // RFC 9000 §19.3
    ack.hasEcn = (type & 1) !== 0
    if (ack.hasEcn) {
      ack.ect0 = r.varint()
      ack.ect1 = r.varint()
      ack.ce = r.varint()
    }
    return r.failed ? undefined : sink.onAck(ack)
  }

  private newConnectionId(type: number, pathId: number, bytes: Uint8Array, sink: FrameSink): FrameResult {
    const sequence = r.varint()
    const retirePriorTo = r.varint()
    const length = r.u8()
    const start = r.skip(length)
    const token = r.skip(16)
    if (r.failed) return undefined
    // RFC 9000 §19.15 #1 #6
    if (length < 1 || length > 20) return malformed(`a connection ID of ${length} bytes`, type)
    if (retirePriorTo > sequence) return malformed("Retire Prior To above the sequence number", type)
    return sink.onNewConnectionId(pathId, sequence, retirePriorTo, bytes, start, start + length, token)
  }
}

const malformed = (what: string, type: number): TransportError =>
  new TransportError(TransportErrorCode.FRAME_ENCODING_ERROR, `frame 0x${type.toString(16)}: ${what}`, type)

// RFC 9000 §12.4 #4
const unknown = (type: number): TransportError =>
  new TransportError(
    TransportErrorCode.FRAME_ENCODING_ERROR,
    `unknown frame type 0x${type.toString(16)}`,
    type
  )

/** For a type the peer must not send: one of the other role's, or of an extension that was not negotiated. */
const refusal = (type: number, flags: number): TransportError => {
  const { name, sender, extension } = frameProperties(type)!
  const { PROTOCOL_VIOLATION } = TransportErrorCode
  if ((flags & (FrameFlag.serverOnly | FrameFlag.clientOnly)) !== 0)
    return new TransportError(
      PROTOCOL_VIOLATION,
      `${name.toUpperCase()} from a ${sender === "server" ? "client" : "server"}`,
      type
    )
  // RFC 9221 §3 #3 and the drafts: not FRAME_ENCODING_ERROR, unlike other frames that were not negotiated
  if (extension === FrameExtension.datagram)
    return new TransportError(PROTOCOL_VIOLATION, "a DATAGRAM frame we did not ask for", type)
  if (extension === FrameExtension.addressDiscovery || extension === FrameExtension.natTraversal)
    return new TransportError(PROTOCOL_VIOLATION, `${name.toUpperCase()} that we did not ask for`, type)
  return unknown(type)
}
