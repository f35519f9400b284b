import type { ReceiveStream } from "./ReceiveStream.ts"
import type { SendStream } from "./SendStream.ts"
import type { Turn } from "./TurnRing.ts"

/** Control frames that can be queued for a stream, one bit each. */
export const StreamControl = {
  resetStream: 1,
  stopSending: 2,
  maxStreamData: 4,
  streamDataBlocked: 8
} as const

/** One open stream: its two parts, and its membership in the connection's queues. */
export class StreamRecord {
  readonly id: number
  /** Undefined for receive-only streams. */
  readonly send: SendStream | undefined
  /** Undefined for send-only streams. */
  readonly receive: ReceiveStream | undefined
  /** Bits of `StreamControl`. */
  control = 0
  /** Bits of the `RecordQueue`s it is in. */
  queued = 0
  /** Both parts have ended. */
  isClosed = false
  /** Counted by `PeerStreamCount.lingering`. */
  isLingering = false
  /** Counted by `StreamSender.undeliveredStreams`. */
  isUndelivered = false
  /** Has data beyond its flow-control limit; counted by `StreamSender.blockedStreams`. */
  isBlocked = false
  /** Counted by `SendRoom.heldBytes`. */
  heldBytes = 0
  /** The peer is blocked by our limit; counted by `StreamControlFrames.peerBlockedStreams`. */
  isPeerBlocked = false
  /** Ring entries, created on first use: control frames, data that needs no flow-control credit, data that does. */
  controlTurn: Turn<StreamRecord> | undefined = undefined
  owedTurn: Turn<StreamRecord> | undefined = undefined
  freshTurn: Turn<StreamRecord> | undefined = undefined

  constructor(id: number, send: SendStream | undefined, receive: ReceiveStream | undefined) {
    this.id = id
    this.send = send
    this.receive = receive
  }

  /** Both parts have ended, and no STOP_SENDING is still queued. */
  get hasEnded(): boolean {
    return (
      (this.send === undefined || this.send.isTerminal) &&
      (this.receive === undefined || this.receive.isTerminal) &&
      (this.control & StreamControl.stopSending) === 0
    )
  }
}
