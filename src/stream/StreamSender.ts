import { everything, type HintFilter } from "../path/PathFilter.ts"
import { ANY_PATH, type PathHint } from "../path/pathHint.ts"
import type { SentFrames } from "../recovery/SentFrames.ts"
import { FrameType } from "../wire/FrameType.ts"
import { type ByteWriter, varintSize } from "../wire/ByteWriter.ts"
import { streamHeaderSize, writeStreamHeader } from "../wire/frameWriters.ts"
import type { SendCredit } from "./FlowControl.ts"
import { ConnectionControl, type StreamControlFrames } from "./StreamControlFrames.ts"
import type { SendRoom } from "./SendRoom.ts"
import { StreamControl, StreamMark, type StreamRecord } from "./StreamRecord.ts"
import { StreamScheduler } from "./StreamScheduler.ts"
import { Turn } from "./TurnRing.ts"

/** Streams whose data is counted. */
const MOST_COUNTED = 16
/** Shorter fragments wait for the next packet, unless nothing is left after them. */
const minFragmentBytes = 16

/**
 * Writes STREAM frames: first data that needs no credit (lost data, RFC 9000 §13.3 #S2, and bare FINs), then new data,
 * each by priority and round robin, one packet per turn. A stream blocked by flow control is in no ring.
 */
export class StreamSender {
  /** How many streams have unacknowledged data. */
  undeliveredStreams = 0
  /** How many streams have data beyond their own limit. */
  blockedStreams = 0
  private readonly owed: StreamScheduler<StreamRecord>
  private readonly fresh: StreamScheduler<StreamRecord>
  private readonly filter: HintFilter
  private readonly credit: SendCredit
  private readonly control: StreamControlFrames
  private readonly room: SendRoom

  constructor(
    credit: SendCredit,
    control: StreamControlFrames,
    room: SendRoom,
    filter: HintFilter = everything
  ) {
    this.filter = filter
    this.owed = new StreamScheduler(filter)
    this.fresh = new StreamScheduler(filter)
    this.room = room
    this.credit = credit
    this.control = control
  }

  get hasControlFrames(): boolean {
    return !this.control.isEmpty
  }

  /** Whether there is anything to send, on whichever path. */
  hasFrames(): boolean {
    return !this.control.isEmpty || this.owed.size > 0 || (this.fresh.size > 0 && this.credit.available > 0)
  }

  /** Whether the connection limit blocks data. RFC 9000 §4.1 #S1, §19.12 #S1 */
  get isConnectionBlocked(): boolean {
    return this.fresh.size > 0 && this.credit.available <= 0
  }

  get creditBytes(): number {
    return this.credit.available
  }

  /** Updates the queues and counters after a change of the sending part of `record`. */
  refresh(record: StreamRecord): void {
    const send = record.send!
    if (send.hasOwed) this.owed.add((record.owedTurn ??= new Turn(record)), send.priority, send.hint)
    else this.owed.remove(record.owedTurn)
    const { hasUnsent, credit } = send
    if (hasUnsent && credit.available > 0)
      this.fresh.add((record.freshTurn ??= new Turn(record)), send.priority, send.hint)
    else this.fresh.remove(record.freshTurn)
    const isBlocked = hasUnsent && credit.available <= 0
    if (record.mark(StreamMark.blocked, isBlocked)) this.blockedStreams += isBlocked ? 1 : -1
    // RFC 9000 §4.1 #S1, §19.13 #S1: reports the blocked stream, once per limit
    if (isBlocked) {
      if (credit.blockedAt !== credit.limit) this.control.queueFor(record, StreamControl.streamDataBlocked)
    } else if ((record.control & StreamControl.streamDataBlocked) !== 0) {
      this.control.cancelFor(record, StreamControl.streamDataBlocked)
    }
    if (send.canSendReset) {
      send.reset!.queued = true
      this.control.queueFor(record, StreamControl.resetStream)
    }
    const { heldBytes, isUndelivered } = send
    this.room.heldBytes += heldBytes - send.countedBytes
    send.countedBytes = heldBytes
    if (record.mark(StreamMark.undelivered, isUndelivered)) this.undeliveredStreams += isUndelivered ? 1 : -1
    this.noteConnectionBlocked()
  }

  setPriority(record: StreamRecord, priority: number): void {
    this.queueAs(record, priority, record.send?.hint ?? ANY_PATH)
  }

  setHint(record: StreamRecord, hint: PathHint): void {
    this.queueAs(record, record.send?.priority ?? 0, hint)
  }

  private queueAs(record: StreamRecord, priority: number, hint: PathHint): void {
    const { send } = record
    if (send === undefined || (send.priority === priority && send.hint === hint)) return
    this.owed.remove(record.owedTurn)
    this.fresh.remove(record.freshTurn)
    send.priority = priority
    send.hint = hint
    this.refresh(record)
  }

  isAdmitted(hint: PathHint): boolean {
    return this.filter.admits(hint)
  }

  /** Resets the sending part; false if that changes nothing. */
  abandon(record: StreamRecord, code: number, byPeer: boolean, reliableSize: number): boolean {
    const changed = record.send!.abandon(code, byPeer, reliableSize)
    if (changed) this.control.cancelFor(record, StreamControl.streamDataBlocked)
    this.refresh(record)
    return changed
  }

  /** The connection limit was raised. */
  onCredit(): void {
    this.control.cancel(ConnectionControl.dataBlocked)
  }

  /** New data of the highest priority that may be sent now, as far as it is less than `most` and of a few streams. */
  unsentBytes(most: number): number {
    const { head } = this.fresh
    let sum = 0
    let turn = head
    for (let i = 0; turn !== undefined && sum < most && i < MOST_COUNTED; i++) {
      const { unsentLength, credit } = turn.owner.send!
      sum += Math.min(unsentLength, credit.available)
      turn = turn.next === head ? undefined : turn.next
    }
    return Math.min(sum, this.credit.available)
  }

  /** The highest priority of any data that may be sent now; −Infinity when there is none. */
  get priority(): number {
    const owed = this.owed.priority
    return this.credit.available > 0 ? Math.max(owed, this.fresh.priority) : owed
  }

  writeControlFrames(w: ByteWriter, sent: SentFrames, nowMicros: number, rttMicros: number): void {
    if (!this.control.isEmpty) this.control.writeFrames(w, sent, nowMicros, rttMicros)
  }

  /** Lost data first, whatever its priority, as streams wait for it; then new data of priority `least` or higher. */
  writeData(w: ByteWriter, sent: SentFrames, least: number): void {
    for (let turn = this.owed.head; turn !== undefined; turn = this.owed.head)
      if (!this.writeOwed(turn.owner, w, sent)) return
    while (this.fresh.head !== undefined && this.credit.available > 0 && this.fresh.priority >= least) {
      const { owner } = this.fresh.head
      const wrote = this.writeFresh(owner, w, sent)
      // one packet per turn
      if (owner.freshTurn === this.fresh.head) {
        if (wrote) this.fresh.rotate()
        return
      }
    }
  }

  private writeOwed(record: StreamRecord, w: ByteWriter, sent: SentFrames): boolean {
    const send = record.send!
    if (!this.writeFrame(record, send.owedOffset, send.owedLength, w, sent)) return false
    this.refresh(record)
    return true
  }

  private writeFresh(record: StreamRecord, w: ByteWriter, sent: SentFrames): boolean {
    const send = record.send!
    // RFC 9000 §2.2 #3, §4.1 #1, §19.9 #1, §19.10 #3
    const wanted = Math.min(send.unsentLength, send.credit.available, this.credit.available)
    if (!this.writeFrame(record, send.unsentOffset, wanted, w, sent)) return false
    this.refresh(record)
    return true
  }

  /** Writes one STREAM frame with as many of the `wanted` bytes as fit; false if too few to be worth a frame. */
  private writeFrame(
    record: StreamRecord,
    offset: number,
    wanted: number,
    w: ByteWriter,
    sent: SentFrames
  ): boolean {
    const { id } = record
    const send = record.send!
    const room = w.remaining - streamHeaderSize(id, offset, -1)
    // only a frame that fills the packet may omit its length, as padding may follow any other
    const fills = wanted >= room
    const length = fills ? room : Math.min(wanted, room - varintSize(wanted))
    if (length < Math.min(wanted, minFragmentBytes)) return false
    const end = offset + length
    const fin = send.endsAt(end)
    writeStreamHeader(w, id, offset, fills ? -1 : length, fin)
    if (length > 0) send.bytes.copyTo(w, offset, length)
    this.credit.used += send.onSent(offset, length, fin)
    sent.push(FrameType.STREAM, id, offset, fin ? -1 - length : length)
    if (fin) this.control.lingerIfSent(record)
    return true
  }

  private noteConnectionBlocked(): void {
    if (this.isConnectionBlocked && this.credit.blockedAt !== this.credit.limit)
      this.control.queue(ConnectionControl.dataBlocked)
  }
}
