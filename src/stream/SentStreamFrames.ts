import { FrameType } from "../wire/FrameType.ts"
import { StreamEvent, type StreamEvents } from "./RecordQueue.ts"
import type { StreamControlFrames } from "./StreamControlFrames.ts"
import type { StreamDirectory } from "./StreamDirectory.ts"
import type { SendRoom } from "./SendRoom.ts"
import { StreamControl } from "./StreamRecord.ts"
import type { StreamSender } from "./StreamSender.ts"

/** What acknowledgement and loss of a frame mean for its stream. RFC 9000 §3.1, §13.3 */
export class SentStreamFrames {
  private readonly directory: StreamDirectory
  private readonly control: StreamControlFrames
  private readonly sender: StreamSender
  private readonly events: StreamEvents
  private readonly room: SendRoom

  constructor(
    directory: StreamDirectory,
    control: StreamControlFrames,
    sender: StreamSender,
    events: StreamEvents,
    room: SendRoom
  ) {
    this.directory = directory
    this.control = control
    this.sender = sender
    this.events = events
    this.room = room
  }

  onAcked(type: number, a: number, b: number, c: number): void {
    if (type !== FrameType.STREAM && type !== FrameType.RESET_STREAM && type !== FrameType.RESET_STREAM_AT)
      return
    const record = this.directory.records.get(a)
    const send = record?.begunSend
    if (record === undefined || send === undefined || send.isTerminal) return
    if (type === FrameType.STREAM) send.onAcked(b, c < 0 ? -1 - c : c, c < 0)
    else send.onResetAcked(type === FrameType.RESET_STREAM ? 0 : b)
    this.sender.refresh(record)
    if (send.isTerminal) {
      this.control.cancelFor(record, StreamControl.resetStream | StreamControl.streamDataBlocked)
      this.events.push(StreamEvent.writable, record)
      this.control.closeIfEnded(record)
    } else if (send.wantsRoom && this.room.hasRoom(send.heldBytes)) {
      send.wantsRoom = false
      this.events.push(StreamEvent.writable, record)
    }
  }

  onLost(type: number, a: number, b: number, c: number): void {
    switch (type) {
      case FrameType.MAX_DATA:
      case FrameType.MAX_STREAMS_BIDI:
      case FrameType.MAX_STREAMS_UNI:
      case FrameType.DATA_BLOCKED:
      case FrameType.STREAMS_BLOCKED_BIDI:
      case FrameType.STREAMS_BLOCKED_UNI:
        this.control.onConnectionFrameLost(type, a)
        return
      default:
    }
    const record = this.directory.records.get(a)
    if (record === undefined) return
    if (type !== FrameType.STREAM) this.control.onStreamFrameLost(record, type, b)
    else if (record.begunSend !== undefined) {
      record.begunSend.onLost(b, c < 0 ? -1 - c : c, c < 0)
      this.sender.refresh(record)
    }
  }
}
