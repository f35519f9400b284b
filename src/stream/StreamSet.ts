import { ReceivedStreamFrames } from "./ReceivedStreamFrames.ts"
import { everything, type HintFilter } from "../path/PathFilter.ts"
import type { PathHint } from "../path/pathHint.ts"
import type { Role } from "../wire/Role.ts"
import type { FrameContext, FrameOwner } from "../recovery/FrameOwner.ts"
import type { SentFrames } from "../recovery/SentFrames.ts"
import type { ByteWriter } from "../wire/ByteWriter.ts"
import type { TransportError } from "../wire/TransportError.ts"
import { type Conduct, lenientConduct } from "./Conduct.ts"
import { SendCredit } from "./FlowControl.ts"
import { PeerLimits } from "./PeerLimits.ts"
import { ReceiveCredit } from "./ReceiveCredit.ts"
import { StreamEvent, StreamEvents } from "./RecordQueue.ts"
import { StreamControlFrames } from "./StreamControlFrames.ts"
import { StreamDirectory } from "./StreamDirectory.ts"
import type { LocalStreamLimits, StreamLimits } from "./StreamLimits.ts"
import type { ReceiveOutcome, SendOutcome } from "./StreamOutcome.ts"
import { FlowControlStall } from "./FlowControlStall.ts"
import { type Carrying, SendRoom } from "./SendRoom.ts"
import { SentStreamFrames } from "./SentStreamFrames.ts"
import { StreamControl, StreamMark, type StreamRecord } from "./StreamRecord.ts"
import { StreamSender } from "./StreamSender.ts"
import {
  reorderBytes,
  sendOutcomeOf,
  snapshotStreams,
  type StreamSnapshot,
  type StreamStats,
  streamStats
} from "./streamStats.ts"

type Result = TransportError | undefined

/** The paths, as far as streams may care. */
interface SendPaths extends Carrying {
  readonly filter: HintFilter
}
const noPaths: SendPaths = { carriedBytes: 0, filter: everything }

/**
 * All streams of one connection. RFC 9000 §2 – §4, §19
 *
 * The owner passes in received frames (`received`), application commands, and the fate of sent frames (`onAcked`,
 * `onLost`). It asks `hasFrames`, has frames written into packets, and drains the `poll…` queues. A stream whose two
 * sides have ended is reported by `pollClosed` and then forgotten.
 */
export class StreamSet implements FrameOwner {
  /** Takes the frames the peer sends about streams. */
  readonly received: ReceivedStreamFrames
  readonly stall: FlowControlStall
  /** @internal */
  readonly room: SendRoom
  private readonly events = new StreamEvents()
  /** @internal */
  readonly directory: StreamDirectory
  private readonly sendCredit = new SendCredit(0)
  private readonly receiveCredit: ReceiveCredit
  private readonly control: StreamControlFrames
  private readonly sender: StreamSender
  private readonly peerLimits: PeerLimits
  private readonly fates: SentStreamFrames
  private closing: StreamRecord | undefined = undefined

  constructor(
    role: Role,
    local: LocalStreamLimits,
    conduct: Conduct = lenientConduct,
    paths: SendPaths = noPaths
  ) {
    this.room = new SendRoom(local, paths)
    this.directory = new StreamDirectory(role, local, this.events)
    this.receiveCredit = new ReceiveCredit(local.initialMaxData, local.maxConnectionWindowBytes)
    this.control = new StreamControlFrames(this.directory, this.sendCredit, this.receiveCredit.window)
    this.sender = new StreamSender(this.sendCredit, this.control, this.room, paths.filter)
    this.stall = new FlowControlStall(this.directory, this.receiveCredit.window, this.control, this.sender)
    this.peerLimits = new PeerLimits(this.directory, this.sendCredit, this.control, this.sender, this.events)
    this.received = new ReceivedStreamFrames({
      directory: this.directory,
      sendCredit: this.sendCredit,
      receiveCredit: this.receiveCredit,
      control: this.control,
      sender: this.sender,
      peerLimits: this.peerLimits,
      events: this.events,
      conduct
    })
    this.fates = new SentStreamFrames(this.directory, this.control, this.sender, this.events, this.room)
  }

  /** `remembered`: limits of an earlier connection, used for 0-RTT until the real ones arrive. RFC 9000 §7.4.1 */
  applyPeerLimits(peer: StreamLimits, remembered = false): Result {
    return this.peerLimits.apply(peer, remembered)
  }

  /** The server rejected 0-RTT: sends everything again. Call it before `applyPeerLimits` with the real limits. */
  onEarlyDataRejected(): void {
    this.peerLimits.onEarlyDataRejected()
  }

  // commands; no-ops if the stream does not exist or is in the wrong state

  /** Whether the peer's limit allows another stream. */
  canOpen(unidirectional: boolean): boolean {
    return this.directory.localCount(unidirectional).available > 0
  }

  /** The new stream's ID, or -1 if the peer's limit does not allow another. */
  open(unidirectional: boolean): number {
    const count = this.directory.localCount(unidirectional)
    if (count.available > 0) return this.directory.openLocal(unidirectional).id // RFC 9000 §4.6 #2, §19.11 #3
    this.control.queueStreamsBlocked(unidirectional)
    return -1
  }

  /** Registers a caller that waits for `canOpen`, and lets the peer know; returns the function that unregisters it. */
  awaitOpen(unidirectional: boolean): () => void {
    const count = this.directory.localCount(unidirectional)
    count.waiting++
    if (count.available === 0) this.control.queueStreamsBlocked(unidirectional)
    let waits = true
    return () => {
      if (waits) count.waiting--
      waits = false
    }
  }

  /** Returns how many of `bytes` were accepted. Large ones are not copied: do not modify them until acknowledged. */
  write(id: number, bytes: Uint8Array): number {
    const record = this.directory.records.get(id)
    if (record?.send === undefined) return 0
    const accepted = record.send.write(bytes, this.room.capacity(record.send.heldBytes))
    if (accepted > 0) this.sender.refresh(record)
    return accepted
  }

  /**
   * Accepts all of `bytes` or none; false while the send buffer is full. One message may overfill the buffer, which
   * costs no extra memory as the caller holds it already.
   */
  writeWhole(id: number, bytes: Uint8Array): boolean {
    const record = this.directory.records.get(id)
    if (
      record?.send === undefined ||
      !record.send.writeWhole(bytes, this.room.capacity(record.send.heldBytes))
    )
      return false
    this.sender.refresh(record)
    return true
  }

  /** As `writeWhole`, of all `chunks` together: the peer reads them as if they were one. */
  writeAll(id: number, chunks: ReadonlyArray<Uint8Array>): boolean {
    const record = this.directory.records.get(id)
    if (
      record?.send === undefined ||
      !record.send.writeAll(chunks, this.room.capacity(record.send.heldBytes))
    )
      return false
    this.sender.refresh(record)
    return true
  }

  /** Bytes kept for sending and retransmission. */
  sendHeldBytes(id: number): number {
    return this.directory.records.get(id)?.begunSend?.heldBytes ?? 0
  }

  finish(id: number): void {
    const record = this.directory.records.get(id)
    if (record?.send === undefined) return
    record.send.finish()
    this.sender.refresh(record)
  }

  reset(id: number, code: number): void {
    const record = this.directory.records.get(id)
    if (record?.send !== undefined) this.sender.abandon(record, code, false, 0)
  }

  /**
   * Resets the stream but still delivers the first `reliableSize` bytes. Further calls can only reduce that size.
   * Returns false without effect if the peer does not support it. draft-ietf-quic-reliable-stream-reset
   */
  resetAt(id: number, code: number, reliableSize: number): boolean {
    if (!this.peerLimits.supportsResetAt) return false
    const record = this.directory.records.get(id)
    if (record?.send !== undefined) this.sender.abandon(record, code, false, reliableSize)
    return true
  }

  /** Stops reading. RFC 9000 §3.5 */
  stop(id: number, code: number): void {
    const record = this.directory.records.get(id)
    const receive = record?.receive
    if (record === undefined || receive === undefined) return
    if (receive.stop(code)) this.control.queueFor(record, StreamControl.stopSending)
    this.received.settle(record)
  }

  /** Higher priorities are sent first; the default is 0. */
  setPriority(id: number, priority: number): void {
    const record = this.directory.records.get(id)
    if (record !== undefined) this.sender.setPriority(record, priority)
  }

  /** On which path it is sent, while there are several. */
  setHint(id: number, hint: PathHint): void {
    const record = this.directory.records.get(id)
    if (record !== undefined) this.sender.setHint(record, hint)
  }

  /** Whether the filter admits what is sent on this stream. */
  isAdmitted(id: number): boolean {
    const send = this.directory.records.get(id)?.send
    return send === undefined || this.sender.isAdmitted(send.hint)
  }

  /** The next bytes, at most `max`; undefined if there are none now, or `receiveOutcome` is no longer open. */
  read(id: number, max: number): Uint8Array | undefined {
    const record = this.directory.records.get(id)
    const receive = record?.receive
    if (record === undefined || receive === undefined) return undefined
    const bytes = receive.read(max)
    this.onRead(record, bytes === undefined ? 0 : bytes.length)
    return bytes
  }

  /** Copies the next bytes into `into`; returns how many. Otherwise as `read`. */
  readInto(id: number, into: Uint8Array): number {
    const record = this.directory.records.get(id)
    const receive = record?.receive
    if (record === undefined || receive === undefined) return 0
    const length = receive.readInto(into)
    this.onRead(record, length)
    return length
  }

  private onRead(record: StreamRecord, length: number): void {
    const receive = record.receive!
    if (length > 0) this.receiveCredit.release(receive, receive.window.consumed + length)
    this.received.settle(record)
  }

  /** Copies what `read` would return next into `into`, without consuming it; returns how many bytes. */
  peek(id: number, into: Uint8Array): number {
    return this.directory.records.get(id)?.receive?.peek(into) ?? 0
  }

  /** Whether more bytes may arrive than can be read already. */
  mayGrow(id: number): boolean {
    const receive = this.directory.records.get(id)?.receive
    return receive?.isIncomplete === true && !receive.isStopped
  }

  /** The peer may open the streams that it was granted, and no more. */
  freeze(): void {
    this.directory.peerBidi.isFrozen = this.directory.peerUni.isFrozen = true
  }

  // sending

  /** See `StreamSender.unsentBytes`. */
  unsentBytes(most: number): number {
    return this.sender.unsentBytes(most)
  }

  /** What the peer's flow control allows the connection to send. RFC 9000 §4.1 */
  get creditBytes(): number {
    return this.sender.creditBytes
  }

  /** Whether `writeFrames` has something to write. */
  hasFrames(): boolean {
    return this.sender.hasFrames()
  }

  /** Whether resets, limits, or what is blocked are to be told. */
  get hasControlFrames(): boolean {
    return this.sender.hasControlFrames
  }

  /** Writes what fits: control frames, lost data, then new data. `rttMicros` is 0 until there is an RTT sample. */
  writeFrames(w: ByteWriter, sent: SentFrames, { nowMicros, rttMicros }: FrameContext): void {
    this.sender.writeControlFrames(w, sent, nowMicros, rttMicros)
    this.sender.writeData(w, sent, Number.NEGATIVE_INFINITY)
  }

  /** The part of `writeFrames` that is about streams and credit: resets, limits, what is blocked. */
  writeControlFrames(w: ByteWriter, sent: SentFrames, { nowMicros, rttMicros }: FrameContext): void {
    this.sender.writeControlFrames(w, sent, nowMicros, rttMicros)
  }

  /** The other part: data, new data only of priority `least` or higher. */
  writeData(w: ByteWriter, sent: SentFrames, least: number): void {
    this.sender.writeData(w, sent, least)
  }

  /** The highest priority of any data that may be sent now; −Infinity when there is none. */
  get sendPriority(): number {
    return this.sender.priority
  }

  onAcked(type: number, a: number, b: number, c: number): void {
    this.fates.onAcked(type, a, b, c)
  }

  /** Also called for packets only suspected lost, so that a probe carries their frames. */
  onLost(type: number, a: number, b: number, c: number): void {
    this.fates.onLost(type, a, b, c)
  }

  // events: each ID at most once until polled; -1 if there is none

  /** Opened by the peer, in order. */
  pollOpened(): number {
    return this.events.pollId(StreamEvent.opened)
  }

  /** Data, the end or a reset is readable. */
  pollReadable(): number {
    return this.events.pollId(StreamEvent.readable)
  }

  /** Buffer space is available after a `write` was cut short, or `sendOutcome` changed (acknowledged or stopped). */
  pollWritable(): number {
    return this.events.pollId(StreamEvent.writable)
  }

  /** The peer sent STOP_SENDING; `sendOutcome` has its code. */
  pollStopped(): number {
    return this.events.pollId(StreamEvent.stopped)
  }

  /**
   * Both sides ended. The outcomes of the stream can be read until the next call, which forgets it.
   */
  pollClosed(): number {
    if (this.closing !== undefined) this.directory.forget(this.closing)
    this.closing = this.events.poll(StreamEvent.closed)
    return this.closing?.id ?? -1
  }

  /** True once after the peer raised its stream limit. */
  pollOpenable(unidirectional: boolean): boolean {
    const bit = unidirectional ? 2 : 1
    const events = (this.events.openable & bit) !== 0
    this.events.openable &= ~bit
    return events
  }

  // getters

  receiveOutcome(id: number): ReceiveOutcome {
    const record = this.directory.records.get(id)
    if (record === undefined) return { _tag: this.directory.wasOpened(id) ? "closed" : "none" }
    return record.receive === undefined ? { _tag: "none" } : record.receive.outcome
  }

  sendOutcome(id: number): SendOutcome {
    const record = this.directory.records.get(id)
    if (record === undefined) return { _tag: this.directory.wasOpened(id) ? "closed" : "none" }
    return sendOutcomeOf(record)
  }

  readableBytes(id: number): number {
    return this.directory.records.get(id)?.receive?.readable ?? 0
  }

  get isFrozen(): boolean {
    return this.directory.peerBidi.isFrozen
  }

  /** Whether no stream is open. */
  get isQuiet(): boolean {
    for (const record of this.directory.records.values()) if (!record.is(StreamMark.closed)) return false
    return true
  }

  /** Whether anything that was written, finished or reset has not been acknowledged. */
  get hasUndelivered(): boolean {
    return this.sender.undeliveredStreams > 0
  }

  /** Memory of data that waits for earlier bytes of its stream. Visits every stream. */
  get reorderBytes(): number {
    return reorderBytes(this.directory)
  }

  /** Visits every stream. */
  stats(): StreamStats {
    return streamStats(this.directory, this.sendCredit, this.receiveCredit.window)
  }

  /** Snapshots of all open streams. */
  snapshots(): ReadonlyArray<StreamSnapshot> {
    return snapshotStreams(this.directory)
  }
}
