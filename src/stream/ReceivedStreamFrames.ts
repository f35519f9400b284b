import { MAX_VARINT } from "../wire/ByteWriter.ts"
import type { StreamFrameSink } from "../wire/FrameSink.ts"
import { FrameType } from "../wire/FrameType.ts"
import { TransportError, TransportErrorCode } from "../wire/TransportError.ts"
import type { Conduct } from "./Conduct.ts"
import type { SendCredit } from "./FlowControl.ts"
import type { PeerLimits } from "./PeerLimits.ts"
import type { ReceiveCredit } from "./ReceiveCredit.ts"
import { Arrival } from "./ReceiveStream.ts"
import { StreamEvent, type StreamEvents } from "./RecordQueue.ts"
import { maxStreams, type StreamControlFrames } from "./StreamControlFrames.ts"
import type { StreamDirectory } from "./StreamDirectory.ts"
import { maxStreamCount } from "./StreamId.ts"
import type { StreamRecord } from "./StreamRecord.ts"
import type { StreamSender } from "./StreamSender.ts"

type Result = TransportError | undefined

/** A limit raised by less makes no difference: no window is that small. */
const MIN_RAISE_BYTES = 64

/** The parts of a `StreamSet` that received frames change. */
export interface StreamParts {
  readonly directory: StreamDirectory
  readonly sendCredit: SendCredit
  readonly receiveCredit: ReceiveCredit
  readonly control: StreamControlFrames
  readonly sender: StreamSender
  readonly peerLimits: PeerLimits
  readonly events: StreamEvents
  readonly conduct: Conduct
}

/** What each received frame means for its stream, or for all of them. RFC 9000 §3.2, §4, §19.4 – §19.14 */
export class ReceivedStreamFrames implements StreamFrameSink {
  private readonly directory: StreamDirectory
  private readonly sendCredit: SendCredit
  private readonly receiveCredit: ReceiveCredit
  private readonly control: StreamControlFrames
  private readonly sender: StreamSender
  private readonly peerLimits: PeerLimits
  private readonly events: StreamEvents
  private readonly conduct: Conduct
  /** The furthest that data has arrived ahead of the first missing byte of its stream. */
  reorderDepth = 0

  constructor(parts: StreamParts) {
    this.directory = parts.directory
    this.sendCredit = parts.sendCredit
    this.receiveCredit = parts.receiveCredit
    this.control = parts.control
    this.sender = parts.sender
    this.peerLimits = parts.peerLimits
    this.events = parts.events
    this.conduct = parts.conduct
  }

  onStream(id: number, offset: number, bytes: Uint8Array, start: number, end: number, fin: boolean): Result {
    const { conduct } = this
    const record = this.receiving(id, FrameType.STREAM)
    if (record === undefined) return conduct.needless(FrameType.STREAM)
    if (record instanceof TransportError) return record
    const receive = record.receive!
    const stop = offset + (end - start)
    const isFurther = stop > receive.window.received || (fin && receive.finalSize < 0)
    const error = this.receiveCredit.admit(receive, stop, fin ? stop : -1, FrameType.STREAM)
    if (error !== undefined) return error
    const arrival = receive.onStream(offset, bytes, start, end, fin)
    if (arrival === Arrival.readable) this.events.push(StreamEvent.readable, record)
    else if (arrival === Arrival.kept) this.reorderDepth = Math.max(this.reorderDepth, receive.ahead(stop))
    if (isFurther || arrival !== Arrival.nothing) conduct.useful++
    else {
      const tooMany = conduct.needless(FrameType.STREAM)
      if (tooMany !== undefined) return tooMany
    }
    // RFC 9000 §3.5: data after STOP_SENDING still uses credit and is discarded
    if (receive.isStopped || fin || receive.window.isExhausted || this.receiveCredit.window.isExhausted)
      this.settle(record)
    return undefined
  }

  onResetStream(id: number, errorCode: number, finalSize: number): Result {
    return this.onReset(id, errorCode, finalSize, 0, FrameType.RESET_STREAM)
  }

  onResetStreamAt(id: number, errorCode: number, finalSize: number, reliableSize: number): Result {
    // draft-ietf-quic-reliable-stream-reset §4: the receiver MUST close with FRAME_ENCODING_ERROR
    if (reliableSize > finalSize)
      return new TransportError(
        TransportErrorCode.FRAME_ENCODING_ERROR,
        `reliable size ${reliableSize} exceeds final size ${finalSize}`,
        FrameType.RESET_STREAM_AT
      )
    return this.onReset(id, errorCode, finalSize, reliableSize, FrameType.RESET_STREAM_AT)
  }

  private onReset(
    id: number,
    code: number,
    finalSize: number,
    reliableSize: number,
    frameType: number
  ): Result {
    const record = this.receiving(id, frameType)
    if (record === undefined) return this.conduct.needless(frameType)
    if (record instanceof TransportError) return record
    const receive = record.receive!
    const isNews = receive.isIncomplete && receive.resetCode < 0
    // RFC 9000 §3.5 #S2: whoever is asked to stop MUST reset
    const isAnswer = receive.isStopped
    const error = this.receiveCredit.admit(receive, finalSize, finalSize, frameType)
    if (error !== undefined) return error
    // draft-ietf-quic-reliable-stream-reset §5.2: a changed error code is a STREAM_STATE_ERROR
    if (receive.resetCode >= 0 && receive.resetCode !== code)
      return new TransportError(
        TransportErrorCode.STREAM_STATE_ERROR,
        `stream ${id} was reset with code ${receive.resetCode} and then with ${code}`,
        frameType
      )
    if (receive.onReset(code, finalSize, reliableSize)) this.events.push(StreamEvent.readable, record)
    this.settle(record)
    if (!isNews) return this.conduct.needless(frameType)
    return isAnswer ? undefined : this.onGivenUp(id, frameType)
  }

  /** Opening streams and giving them up costs the peer less than it costs us: "rapid reset", CVE-2023-44487. */
  private onGivenUp(id: number, frameType: number): Result {
    return this.directory.isLocal(id) ? undefined : this.conduct.abandoned(frameType)
  }

  onStopSending(id: number, errorCode: number): Result {
    const record = this.sending(id, FrameType.STOP_SENDING)
    if (record === undefined) return this.conduct.needless(FrameType.STOP_SENDING)
    if (record instanceof TransportError) return record
    // nothing is given up when the application has written all it had to
    const isOver = !record.send!.isWritable
    // RFC 9000 §3.5 #1 #S2 #S3: replies with RESET_STREAM and that code at once, without awaiting acknowledgments
    if (!this.sender.abandon(record, Math.min(errorCode, MAX_VARINT), true, 0))
      return this.conduct.needless(FrameType.STOP_SENDING)
    this.events.push(StreamEvent.stopped, record)
    this.events.push(StreamEvent.writable, record)
    return isOver ? undefined : this.onGivenUp(id, FrameType.STOP_SENDING)
  }

  onMaxData(limit: number): Result {
    if (!this.sendCredit.raise(limit)) return this.conduct.needless(FrameType.MAX_DATA)
    this.sender.onCredit()
    return this.conduct.oncePerPacket(FrameType.MAX_DATA)
  }

  onMaxStreamData(id: number, limit: number): Result {
    const record = this.sending(id, FrameType.MAX_STREAM_DATA)
    if (record === undefined) return this.conduct.needless(FrameType.MAX_STREAM_DATA)
    if (record instanceof TransportError) return record
    const { credit } = record.send!
    const isMuch = limit - credit.limit >= MIN_RAISE_BYTES
    if (credit.raise(limit)) this.sender.refresh(record)
    if (!isMuch) return this.conduct.needless(FrameType.MAX_STREAM_DATA)
    this.conduct.useful++
    return undefined
  }

  onMaxStreams(unidirectional: boolean, limit: number): Result {
    const frameType = unidirectional ? FrameType.MAX_STREAMS_UNI : FrameType.MAX_STREAMS_BIDI
    // RFC 9000 §4.6 #1: more than 2^60 cannot be numbered, and MUST be treated as a FRAME_ENCODING_ERROR
    if (limit > maxStreamCount) return tooManyStreams(limit, frameType)
    return this.peerLimits.onMaxStreams(unidirectional, limit)
      ? this.conduct.oncePerPacket(frameType)
      : this.conduct.needless(frameType)
  }

  // RFC 9000 §4.2 #1: credit is granted without these frames; they only mark the peer as blocked

  onDataBlocked(limit: number): Result {
    this.receiveCredit.window.onPeerBlocked(limit)
    return this.conduct.needless(FrameType.DATA_BLOCKED)
  }

  onStreamDataBlocked(id: number, limit: number): Result {
    const record = this.receiving(id, FrameType.STREAM_DATA_BLOCKED)
    if (record instanceof TransportError) return record
    if (record !== undefined) {
      record.receive!.window.onPeerBlocked(limit)
      this.control.updatePeerBlocked(record)
    }
    return this.conduct.needless(FrameType.STREAM_DATA_BLOCKED)
  }

  onStreamsBlocked(unidirectional: boolean, limit: number): Result {
    const frameType = unidirectional ? FrameType.STREAMS_BLOCKED_UNI : FrameType.STREAMS_BLOCKED_BIDI
    // RFC 9000 §19.14
    if (limit > maxStreamCount) return tooManyStreams(limit, frameType)
    if (this.directory.peerCount(unidirectional).onPeerBlocked(limit))
      this.control.queue(maxStreams(unidirectional))
    return this.conduct.needless(frameType)
  }

  /** Updates queues and windows after a change of the receiving part. */
  settle(record: StreamRecord): void {
    const receive = record.receive!
    if (receive.isAbandoned) this.receiveCredit.release(receive, receive.window.received)
    this.control.onConsumed(record)
    this.control.closeIfEnded(record)
  }

  private receiving(id: number, frameType: number): StreamRecord | Result {
    const before = this.directory.records.size
    const record = this.directory.receiving(id, frameType)
    this.onFound(before)
    return record
  }

  private sending(id: number, frameType: number): StreamRecord | Result {
    const before = this.directory.records.size
    const record = this.directory.sending(id, frameType)
    this.onFound(before)
    return record
  }

  /** The frame may have opened streams, of which there were `before`. */
  private onFound(before: number): void {
    if (this.directory.records.size > before) this.conduct.useful++
    this.control.onStreamsOpened()
  }
}

const tooManyStreams = (limit: number, frameType: number): TransportError =>
  new TransportError(TransportErrorCode.FRAME_ENCODING_ERROR, `stream limit ${limit} exceeds 2^60`, frameType)
