import type { ReceiveStream } from "./ReceiveStream.ts"
import { SendStream } from "./SendStream.ts"
import type { Turn } from "./TurnRing.ts"

/** Control frames that can be queued for a stream, one bit each. */
export const StreamControl = {
  resetStream: 1,
  stopSending: 2,
  maxStreamData: 4,
  streamDataBlocked: 8
} as const

/** What is counted of a stream, one bit each. */
export const StreamMark = {
  /** Both parts have ended. */
  closed: 1,
  /** Counted by `PeerStreamCount.lingering`. */
  lingering: 2,
  /** Counted by `StreamSender.undeliveredStreams`. */
  undelivered: 4,
  /** Has data beyond its flow-control limit; counted by `StreamSender.blockedStreams`. */
  blocked: 8,
  /** The peer is blocked by our limit; counted by `StreamControlFrames.peerBlockedStreams`. */
  peerBlocked: 16
} as const

/**
 * One open stream: its two parts, and its membership in the connection's queues. There may be a million of them, most of
 * them idle, so what an idle stream does not need comes into being when it is used.
 */
export class StreamRecord {
  readonly id: number
  /** Undefined for send-only streams. */
  readonly receive: ReceiveStream | undefined
  /** The sending part, if it was used. */
  begunSend: SendStream | undefined = undefined
  /** Bits of `StreamControl`. */
  control = 0
  /** Bits of the `RecordQueue`s it is in. */
  queued = 0
  /** Ring entries, created on first use: control frames, data that needs no flow-control credit, data that does. */
  controlTurn: Turn<StreamRecord> | undefined = undefined
  owedTurn: Turn<StreamRecord> | undefined = undefined
  freshTurn: Turn<StreamRecord> | undefined = undefined
  /** Bits of `StreamMark`. */
  private marks = 0
  private readonly sendLimit: number

  /** `sendLimit`: the peer's limit for the sending part; −1 for receive-only streams. */
  constructor(id: number, sendLimit: number, receive: ReceiveStream | undefined) {
    this.id = id
    this.sendLimit = sendLimit
    this.receive = receive
  }

  /** The sending part, which is used from now on; undefined for receive-only streams. */
  get send(): SendStream | undefined {
    return this.begunSend ?? this.beginSend()
  }

  private beginSend(): SendStream | undefined {
    if (this.sendLimit >= 0) this.begunSend = new SendStream(this.sendLimit)
    return this.begunSend
  }

  get canSend(): boolean {
    return this.sendLimit >= 0
  }

  is(mark: number): boolean {
    return (this.marks & mark) !== 0
  }

  /** Sets or clears a mark; returns whether that changed it. */
  mark(mark: number, isSet: boolean): boolean {
    const before = this.marks
    this.marks = isSet ? before | mark : before & ~mark
    return this.marks !== before
  }

  /** Both parts have ended, and no STOP_SENDING is still queued. */
  get hasEnded(): boolean {
    const { begunSend, receive } = this
    return (
      (begunSend === undefined ? !this.canSend : begunSend.isTerminal) &&
      (receive === undefined || receive.isTerminal) &&
      (this.control & StreamControl.stopSending) === 0
    )
  }
}
