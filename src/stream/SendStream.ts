import { SendCredit } from "./FlowControl.ts"
import { SendBuffer } from "./SendBuffer.ts"
import { isSendTerminal, nextSendState, SendEvent, SendState } from "./sendState.ts"
import type { SendOutcome } from "./StreamOutcome.ts"

/** How a sending part is abandoned. */
export class SendReset {
  readonly code: number
  /** The peer asked for it with STOP_SENDING. */
  readonly byPeer: boolean
  /** What is still delivered: 0 for RESET_STREAM, more for RESET_STREAM_AT. */
  readonly reliableSize: number
  /** The frame has been asked for, and was acknowledged. */
  queued = false
  acked = false

  constructor(code: number, byPeer: boolean, reliableSize: number) {
    this.code = code
    this.byPeer = byPeer
    this.reliableSize = reliableSize
  }
}

/** The sending part of one stream: what it holds, how far it got, and its credit. RFC 9000 §3.1 */
export class SendStream {
  /** `credit.used` is how many bytes were ever sent, and with that the final size of a reset. */
  readonly credit: SendCredit
  priority = 0
  reset: SendReset | undefined = undefined
  /** A `write` was cut short, and its author waits for room. */
  wantsRoom = false
  /** The peer does not allow this stream yet: it was opened under remembered limits. */
  isHeld = false
  private current: SendState = SendState.ready
  /** There only while it holds something: most streams that are open are idle. */
  private buffer: SendBuffer | undefined = undefined
  /** The offset that the next write begins at. */
  private written = 0
  /** Set by `finish`; −1 before. */
  private finalSize = -1
  private finSent = false
  private finAcked = false
  private finLost = false

  constructor(limit: number) {
    this.credit = new SendCredit(limit)
  }

  get state(): SendState {
    return this.current
  }

  get isTerminal(): boolean {
    return isSendTerminal(this.current)
  }

  /** Whether `write` and `finish` mean anything: nothing goes beyond the final size. RFC 9000 §4.5 #2 */
  get isWritable(): boolean {
    return this.finalSize < 0 && this.reset === undefined
  }

  /** Bytes held for sending and sending again. */
  get heldBytes(): number {
    return this.buffer === undefined ? 0 : this.buffer.held
  }

  get outcome(): SendOutcome {
    const { reset } = this
    if (reset !== undefined) return { _tag: reset.byPeer ? "stopped" : "reset", code: reset.code }
    return this.finalSize >= 0
      ? { _tag: "finished", acknowledged: this.current === SendState.dataRecvd }
      : { _tag: "open" }
  }

  /** Something that was written, or its end, has not been acknowledged. */
  get isUndelivered(): boolean {
    if (this.isTerminal) return false
    return this.reset !== undefined || this.finalSize >= 0 || this.heldBytes > 0
  }

  // what there is to send

  /** Something waits that needs no credit: lost data, or a bare FIN; nothing in a terminal state. RFC 9000 §3.3 #1 */
  get hasOwed(): boolean {
    const { buffer } = this
    if (this.isHeld || this.current === SendState.resetSent || this.isTerminal) return false
    return (buffer !== undefined && !buffer.lost.isEmpty) || this.owesFin
  }

  /** Something waits that was never sent, whether or not there is credit for it. */
  get hasUnsent(): boolean {
    return this.buffer !== undefined && this.buffer.unsent > 0 && !this.isHeld
  }

  private get owesFin(): boolean {
    if (this.finalSize < 0 || this.reset !== undefined || this.finAcked) return false
    return (!this.finSent || this.finLost) && (this.buffer === undefined || this.buffer.unsent === 0)
  }

  /** RESET_STREAM can go at once; RESET_STREAM_AT once all it promises was sent, so that credit covers it. */
  get canSendReset(): boolean {
    const { reset } = this
    return reset !== undefined && !reset.queued && !this.isHeld && reset.reliableSize <= this.credit.used
  }

  /** Where the next frame of the owed kind starts, and how long it is; 0 for a bare FIN. */
  get owedOffset(): number {
    return this.owedLength === 0 ? this.finalSize : this.buffer!.lost.firstStart
  }

  get owedLength(): number {
    const lost = this.buffer?.lost
    return lost === undefined || lost.isEmpty ? 0 : lost.firstEnd - lost.firstStart
  }

  get unsentOffset(): number {
    return this.buffer!.sent
  }

  get unsentLength(): number {
    return this.buffer!.unsent
  }

  /** Whether a frame that ends at `end` carries the FIN. */
  endsAt(end: number): boolean {
    return end === this.finalSize && this.reset === undefined
  }

  get bytes(): SendBuffer {
    return this.buffer!
  }

  // commands

  /** Takes what fits into `capacity` bytes held in all; returns how much that was. */
  write(bytes: Uint8Array, capacity: number): number {
    if (!this.isWritable) return 0
    const accepted = Math.min(bytes.length, Math.max(0, capacity - this.heldBytes))
    if (accepted < bytes.length) this.wantsRoom = true
    if (accepted === 0) return 0
    this.buffer ??= new SendBuffer(this.written)
    this.written += accepted
    this.buffer.append(accepted === bytes.length ? bytes : bytes.subarray(0, accepted))
    return accepted
  }

  /** Takes all of `bytes` while less than `capacity` is held, otherwise nothing and false. */
  writeWhole(bytes: Uint8Array, capacity: number): boolean {
    if (!this.isWritable) return false
    if (this.heldBytes >= capacity) {
      this.wantsRoom = true
      return false
    }
    this.write(bytes, Number.POSITIVE_INFINITY)
    return true
  }

  finish(): void {
    if (this.isWritable) this.finalSize = this.written
  }

  /**
   * Abandons what is not acknowledged, except for the first `reliableSize` bytes; false when that changes nothing.
   * A later call can only reduce the reliable size, and the code stays. draft-ietf-quic-reliable-stream-reset §5.2
   */
  abandon(code: number, byPeer: boolean, reliableSize: number): boolean {
    const before = this.reset
    const reliable = Math.min(reliableSize, this.written)
    if (this.isTerminal || (before !== undefined && reliable >= before.reliableSize)) return false
    this.reset =
      before === undefined
        ? new SendReset(code, byPeer, reliable)
        : new SendReset(before.code, before.byPeer, reliable)
    this.wantsRoom = false
    if (reliable > 0) this.buffer?.truncate(reliable)
    else {
      this.current = nextSendState(this.current, SendEvent.sendReset)
      this.buffer = undefined
    }
    return true
  }

  /** Nothing of it arrived (0-RTT was rejected): all is to be sent as if for the first time. */
  rewind(): void {
    this.buffer?.rewind()
    this.credit.limit = 0
    this.credit.used = 0
    this.credit.blockedAt = -1
    this.finSent = false
    this.finLost = false
    if (this.reset !== undefined) this.reset.queued = false
    // not a transition of §3.1: for the peer the stream has never been
    if (this.current !== SendState.resetSent) this.current = SendState.ready
  }

  // what became of frames

  /** A STREAM frame was written; returns how many of its bytes had never been sent. */
  onSent(offset: number, length: number, fin: boolean): number {
    const end = offset + length
    this.buffer?.lost.remove(offset, end)
    this.current = nextSendState(this.current, SendEvent.sendStream)
    if (fin) {
      this.finSent = true
      this.finLost = false
      this.current = nextSendState(this.current, SendEvent.sendFin)
    }
    const fresh = Math.max(0, end - this.credit.used)
    this.credit.used += fresh
    return fresh
  }

  onBlockedSent(): void {
    this.credit.blockedAt = this.credit.limit
    this.current = nextSendState(this.current, SendEvent.sendStream)
  }

  onResetSent(): void {
    if (this.reset!.reliableSize > 0) this.current = nextSendState(this.current, SendEvent.sendFin)
  }

  onAcked(offset: number, length: number, fin: boolean): void {
    const { buffer } = this
    if (buffer !== undefined) {
      buffer.onAcked(offset, offset + length)
      if (buffer.held === 0) this.buffer = undefined
    }
    if (fin) this.finAcked = true
    this.endIfAllAcked()
  }

  onLost(offset: number, length: number, fin: boolean): void {
    // RFC 9000 §3.3 #2: no STREAM frame after RESET_STREAM; the buffer is gone then
    this.buffer?.onLost(offset, offset + length)
    if (fin && !this.finAcked) this.finLost = true
  }

  onResetAcked(reliableSize: number): void {
    const { reset } = this
    if (reset === undefined || reset.reliableSize !== reliableSize) return
    reset.acked = true
    if (reliableSize === 0) this.current = nextSendState(this.current, SendEvent.resetAcked)
    else this.endIfAllAcked()
  }

  private endIfAllAcked(): void {
    const { reset, buffer } = this
    const acked = buffer === undefined ? this.written : buffer.acked
    const complete =
      reset === undefined
        ? this.finAcked && acked === this.finalSize
        : reset.acked && reset.reliableSize > 0 && acked >= reset.reliableSize
    if (!complete) return
    this.current = nextSendState(this.current, SendEvent.allAcked)
    if (this.isTerminal) this.buffer = undefined
  }
}
