import type { AckFrame } from "./AckFrame.ts"
import type { TransportError } from "./TransportError.ts"

/** Undefined to continue decoding; an error stops it and closes the connection. */
export type FrameResult = TransportError | undefined

/** Receives stream and flow control frames. RFC 9000 §19.4, §19.5, §19.8 – §19.14 */
export interface StreamFrameSink {
  onResetStream(id: number, errorCode: number, finalSize: number): FrameResult
  onResetStreamAt(id: number, errorCode: number, finalSize: number, reliableSize: number): FrameResult
  onStopSending(id: number, errorCode: number): FrameResult
  onStream(
    id: number,
    offset: number,
    bytes: Uint8Array,
    start: number,
    end: number,
    fin: boolean
  ): FrameResult
  onMaxData(limit: number): FrameResult
  onMaxStreamData(id: number, limit: number): FrameResult
  onMaxStreams(unidirectional: boolean, limit: number): FrameResult
  onDataBlocked(limit: number): FrameResult
  onStreamDataBlocked(id: number, limit: number): FrameResult
  onStreamsBlocked(unidirectional: boolean, limit: number): FrameResult
}

/**
 * Receives the frames of a packet in order, one call per frame. Byte arguments are offsets in the packet's buffer, only
 * valid during the call unless the sink keeps the buffer; the `AckFrame` is reused.
 */
export interface FrameSink {
  readonly streams: StreamFrameSink
  onPing(): FrameResult
  onAck(ack: AckFrame): FrameResult
  onCrypto(offset: number, bytes: Uint8Array, start: number, end: number): FrameResult
  onNewToken(bytes: Uint8Array, start: number, end: number): FrameResult
  onNewConnectionId(
    pathId: number,
    sequence: number,
    retirePriorTo: number,
    bytes: Uint8Array,
    cidStart: number,
    cidEnd: number,
    tokenStart: number
  ): FrameResult
  onRetireConnectionId(pathId: number, sequence: number): FrameResult
  onPathChallenge(bytes: Uint8Array, start: number): FrameResult
  onPathResponse(bytes: Uint8Array, start: number): FrameResult
  onConnectionClose(
    application: boolean,
    errorCode: number,
    frameType: number,
    bytes: Uint8Array,
    reasonStart: number,
    reasonEnd: number
  ): FrameResult
  onHandshakeDone(): FrameResult
  /** `frameBytes` includes the type, and the length if present. */
  onDatagram(bytes: Uint8Array, start: number, end: number, frameBytes: number): FrameResult
  onAckFrequency(
    sequence: number,
    threshold: number,
    maxAckDelayMicros: number,
    reordering: number
  ): FrameResult
  onImmediateAck(): FrameResult
  onPathAbandon(pathId: number, errorCode: number): FrameResult
  /** PATH_STATUS_BACKUP or PATH_STATUS_AVAILABLE. */
  onPathStatus(pathId: number, sequence: number, isBackup: boolean): FrameResult
  onMaxPathId(maximum: number): FrameResult
  onPathsBlocked(maximum: number): FrameResult
  onPathCidsBlocked(pathId: number, nextSequence: number): FrameResult
  /** The IP address is 4 or 16 bytes long. */
  onObservedAddress(
    sequence: number,
    bytes: Uint8Array,
    ipStart: number,
    ipEnd: number,
    port: number
  ): FrameResult
  onAddAddress(sequence: number, bytes: Uint8Array, ipStart: number, ipEnd: number, port: number): FrameResult
  onReachOut(round: number, bytes: Uint8Array, ipStart: number, ipEnd: number, port: number): FrameResult
  onRemoveAddress(sequence: number): FrameResult
}
