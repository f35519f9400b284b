import type { SentFrames } from "../recovery/SentFrames.ts"
import { FrameType } from "../wire/FrameType.ts"
import type { ByteWriter } from "../wire/ByteWriter.ts"
import {
  writeDataBlocked,
  writeMaxData,
  writeMaxStreamData,
  writeMaxStreams,
  writeResetStream,
  writeResetStreamAt,
  writeStopSending,
  writeStreamDataBlocked,
  writeStreamsBlocked
} from "../wire/frameWriters.ts"
import type { ReceiveWindow, SendCredit } from "./FlowControl.ts"
import { ReceiveState } from "./receiveState.ts"
import type { StreamDirectory } from "./StreamDirectory.ts"
import { StreamControl, StreamMark, type StreamRecord } from "./StreamRecord.ts"
import { Turn, TurnRing } from "./TurnRing.ts"

/** Connection-level control frames, one bit each. */
export const ConnectionControl = {
  maxData: 1,
  maxStreamsBidi: 2,
  maxStreamsUni: 4,
  dataBlocked: 8,
  streamsBlockedBidi: 16,
  streamsBlockedUni: 32
} as const

export const streamsBlocked = (unidirectional: boolean): number =>
  unidirectional ? ConnectionControl.streamsBlockedUni : ConnectionControl.streamsBlockedBidi

export const maxStreams = (unidirectional: boolean): number =>
  unidirectional ? ConnectionControl.maxStreamsUni : ConnectionControl.maxStreamsBidi

/** Upper bound for every frame here: a type and four varints. */
const largestFrameBytes = 1 + 4 * 8
/** The connection window is at least this multiple of any stream window, so that one stream can use its own. */
const connectionWindowFactor = 1.5

/**
 * Queues and writes every stream-related frame except STREAM. A queued frame is one bit; its content is determined when
 * it is written, so it is always current. A lost frame is queued again only while it is still relevant.
 * RFC 9000 §13.3
 */
export class StreamControlFrames {
  /** How many streams the peer has reported as blocked by our limits. */
  peerBlockedStreams = 0
  private connection = 0
  private readonly waiting = new TurnRing<StreamRecord>()
  private readonly directory: StreamDirectory
  private readonly credit: SendCredit
  private readonly window: ReceiveWindow

  constructor(directory: StreamDirectory, credit: SendCredit, window: ReceiveWindow) {
    this.directory = directory
    this.credit = credit
    this.window = window
  }

  get isEmpty(): boolean {
    return this.connection === 0 && this.waiting.size === 0
  }

  /** `bit` of `ConnectionControl`. */
  queue(bit: number): void {
    this.connection |= bit
  }

  /** `bit` of `StreamControl`. No frame may mention a stream that the peer does not allow yet. */
  queueFor(record: StreamRecord, bit: number): void {
    if (record.begunSend?.isHeld) return
    record.control |= bit
    this.waiting.add((record.controlTurn ??= new Turn(record)))
  }

  cancel(bit: number): void {
    this.connection &= ~bit
  }

  /** Forgets limits reported as blocking, after rejected 0-RTT. */
  forgetBlocked(): void {
    this.cancel(
      ConnectionControl.dataBlocked |
        ConnectionControl.streamsBlockedBidi |
        ConnectionControl.streamsBlockedUni
    )
  }

  cancelFor(record: StreamRecord, bits: number): void {
    record.control &= ~bits
    if (record.control === 0) this.waiting.remove(record.controlTurn)
  }

  /** Queues STREAMS_BLOCKED, once per limit. RFC 9000 §4.6 #S1, §19.14 #S1 */
  queueStreamsBlocked(unidirectional: boolean): void {
    const count = this.directory.localCount(unidirectional)
    if (count.blockedAt === count.limit) return
    count.blockedAt = count.limit
    this.queue(streamsBlocked(unidirectional))
  }

  /** The peer opened streams and may need a higher limit. RFC 9000 §4.6 #5 */
  onStreamsOpened(): void {
    if (this.directory.peerBidi.isDue) this.queue(ConnectionControl.maxStreamsBidi)
    if (this.directory.peerUni.isDue) this.queue(ConnectionControl.maxStreamsUni)
  }

  /** Updates whether the peer is blocked on `record`. */
  updatePeerBlocked(record: StreamRecord): void {
    const receive = record.receive!
    const isHeldBack =
      receive.state === ReceiveState.recv && !receive.isStopped && receive.window.isPeerBlocked
    if (record.mark(StreamMark.peerBlocked, isHeldBack)) this.peerBlockedStreams += isHeldBack ? 1 : -1
  }

  /** Queues MAX_STREAM_DATA and MAX_DATA as due after data was consumed. RFC 9000 §4.2 */
  onConsumed(record: StreamRecord): void {
    const receive = record.receive!
    // RFC 9000 §3.3, §13.3 #S1: MAX_STREAM_DATA only in "Recv"
    if (receive.state === ReceiveState.recv && !receive.isStopped && receive.window.isDue)
      this.queueFor(record, StreamControl.maxStreamData)
    if (this.window.isDue) this.queue(ConnectionControl.maxData)
    this.updatePeerBlocked(record)
  }

  /** Closes `record` if both parts have ended, and grants another stream in its place. RFC 9000 §4.4, §4.6 #5 */
  closeIfEnded(record: StreamRecord): void {
    if (record.is(StreamMark.closed)) return
    if (!record.hasEnded) return this.lingerIfSent(record)
    this.cancelFor(record, record.control)
    this.directory.close(record)
    this.onStreamsOpened()
  }

  /** Grants another stream in the place of one that was received and sent. */
  lingerIfSent(record: StreamRecord): void {
    if (this.directory.linger(record)) this.onStreamsOpened()
  }

  writeFrames(w: ByteWriter, sent: SentFrames, nowMicros: number, rttMicros: number): void {
    this.writeConnectionFrames(w, sent, nowMicros, rttMicros)
    while (this.waiting.head !== undefined && w.remaining >= largestFrameBytes) {
      const record = this.waiting.head.owner
      this.writeStreamFrame(record, record.control & -record.control, w, sent, nowMicros, rttMicros)
    }
  }

  private writeConnectionFrames(w: ByteWriter, sent: SentFrames, nowMicros: number, rttMicros: number): void {
    while (this.connection !== 0 && w.remaining >= largestFrameBytes) {
      const bit = this.connection & -this.connection
      this.connection &= ~bit
      switch (bit) {
        case ConnectionControl.maxData: {
          const limit = this.window.grant(nowMicros, rttMicros)
          writeMaxData(w, limit)
          sent.push(FrameType.MAX_DATA, limit)
          break
        }
        case ConnectionControl.maxStreamsBidi:
        case ConnectionControl.maxStreamsUni: {
          const unidirectional = bit === ConnectionControl.maxStreamsUni
          const limit = this.directory.peerCount(unidirectional).grant()
          writeMaxStreams(w, unidirectional, limit)
          sent.push(unidirectional ? FrameType.MAX_STREAMS_UNI : FrameType.MAX_STREAMS_BIDI, limit)
          break
        }
        case ConnectionControl.dataBlocked:
          this.credit.blockedAt = this.credit.limit
          writeDataBlocked(w, this.credit.limit)
          sent.push(FrameType.DATA_BLOCKED, this.credit.limit)
          break
        default: {
          const unidirectional = bit === ConnectionControl.streamsBlockedUni
          const { limit } = this.directory.localCount(unidirectional)
          writeStreamsBlocked(w, unidirectional, limit)
          sent.push(unidirectional ? FrameType.STREAMS_BLOCKED_UNI : FrameType.STREAMS_BLOCKED_BIDI, limit)
        }
      }
    }
  }

  private writeStreamFrame(
    record: StreamRecord,
    bit: number,
    w: ByteWriter,
    sent: SentFrames,
    nowMicros: number,
    rttMicros: number
  ): void {
    const { id } = record
    this.cancelFor(record, bit)
    switch (bit) {
      case StreamControl.resetStream: {
        const send = record.send!
        const { code, reliableSize } = send.reset!
        // RFC 9000 §13.3 #1: code and final size never change
        const finalSize = send.credit.used
        if (reliableSize === 0) {
          writeResetStream(w, id, code, finalSize)
          sent.push(FrameType.RESET_STREAM, id)
        } else {
          writeResetStreamAt(w, id, code, finalSize, reliableSize)
          sent.push(FrameType.RESET_STREAM_AT, id, reliableSize)
        }
        send.onResetSent()
        break
      }
      case StreamControl.stopSending:
        writeStopSending(w, id, record.receive!.stopCode)
        sent.push(FrameType.STOP_SENDING, id)
        this.closeIfEnded(record)
        break
      case StreamControl.maxStreamData: {
        const { window } = record.receive!
        const limit = window.grant(nowMicros, rttMicros)
        this.updatePeerBlocked(record)
        this.window.growTo(connectionWindowFactor * window.size)
        if (this.window.isDue) this.queue(ConnectionControl.maxData)
        writeMaxStreamData(w, id, limit)
        sent.push(FrameType.MAX_STREAM_DATA, id, limit)
        break
      }
      default: {
        const send = record.send!
        send.onBlockedSent()
        writeStreamDataBlocked(w, id, send.credit.limit)
        sent.push(FrameType.STREAM_DATA_BLOCKED, id, send.credit.limit)
      }
    }
  }

  onConnectionFrameLost(type: number, limit: number): void {
    switch (type) {
      case FrameType.MAX_DATA:
        if (limit === this.window.limit) this.queue(ConnectionControl.maxData)
        break
      case FrameType.MAX_STREAMS_BIDI:
      case FrameType.MAX_STREAMS_UNI: {
        const unidirectional = type === FrameType.MAX_STREAMS_UNI
        if (limit === this.directory.peerCount(unidirectional).granted) this.queue(maxStreams(unidirectional))
        break
      }
      case FrameType.DATA_BLOCKED:
        if (limit === this.credit.limit && this.credit.available <= 0)
          this.queue(ConnectionControl.dataBlocked)
        break
      case FrameType.STREAMS_BLOCKED_BIDI:
      case FrameType.STREAMS_BLOCKED_UNI: {
        const unidirectional = type === FrameType.STREAMS_BLOCKED_UNI
        const count = this.directory.localCount(unidirectional)
        if (limit === count.limit && count.available === 0) this.queue(streamsBlocked(unidirectional))
        break
      }
      default:
    }
  }

  onStreamFrameLost(record: StreamRecord, type: number, b: number): void {
    const { begunSend: send, receive } = record
    switch (type) {
      case FrameType.RESET_STREAM:
      case FrameType.RESET_STREAM_AT: {
        const reliableSize = type === FrameType.RESET_STREAM ? 0 : b
        if (send?.reset?.reliableSize === reliableSize && !send.reset.acked && !send.isTerminal)
          this.queueFor(record, StreamControl.resetStream)
        break
      }
      case FrameType.STOP_SENDING:
        // RFC 9000 §3.5: unnecessary once all data or a reset has been received
        if (receive?.isIncomplete) this.queueFor(record, StreamControl.stopSending)
        break
      case FrameType.MAX_STREAM_DATA:
        if (receive?.state === ReceiveState.recv && !receive.isStopped && b === receive.window.limit)
          this.queueFor(record, StreamControl.maxStreamData)
        break
      case FrameType.STREAM_DATA_BLOCKED:
        if (send?.hasUnsent && send.credit.available <= 0 && b === send.credit.limit)
          this.queueFor(record, StreamControl.streamDataBlocked)
        break
      default:
    }
  }
}
