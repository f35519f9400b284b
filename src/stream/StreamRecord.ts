import type { ReceiveStream } from "./ReceiveStream.ts"
import type { SendStream } from "./SendStream.ts"
import type { Turn } from "./TurnRing.ts"

/** Control frames one stream can have waiting, a bit each. */
export const StreamControl = {
  resetStream: 1,
  stopSending: 2,
  maxStreamData: 4,
  streamDataBlocked: 8
} as const

/** One open stream: its two parts, and its places in the queues of the connection. */
export class StreamRecord {
  readonly id: number
  /** Undefined for streams that only the peer sends on. */
  readonly send: SendStream | undefined
  /** Undefined for streams that only we send on. */
  readonly receive: ReceiveStream | undefined
  /** Bits of `StreamControl`. */
  control = 0
  /** Bits of the `RecordQueue`s it is in. */
  queued = 0
  /** Both parts have ended. */
  isClosed = false
  /** Counted by `StreamSender.undeliveredStreams`. */
  isUndelivered = false
  /** Has data that its flow-control limit keeps back; counted by `StreamSender.blockedStreams`. */
  isBlocked = false
  /** The peer waits for us to raise its limit; counted by `StreamControlFrames.heldBackStreams`. */
  isPeerHeldBack = false
  /** Its places in rings, made when it first takes one: control frames, what needs no flow-control credit, what does. */
  controlTurn: Turn<StreamRecord> | undefined = undefined
  owedTurn: Turn<StreamRecord> | undefined = undefined
  freshTurn: Turn<StreamRecord> | undefined = undefined

  constructor(id: number, send: SendStream | undefined, receive: ReceiveStream | undefined) {
    this.id = id
    this.send = send
    this.receive = receive
  }

  /** Both parts have ended, and a STOP_SENDING that could still spare the peer some work is out. */
  get hasEnded(): boolean {
    return (
      (this.send === undefined || this.send.isTerminal) &&
      (this.receive === undefined || this.receive.isTerminal) &&
      (this.control & StreamControl.stopSending) === 0
    )
  }
}
