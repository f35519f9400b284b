import { ANY_PATH, type PathHint } from "../path/pathHint.ts"
import { SendCredit } from "./FlowControl.ts"
import { SendBuffer } from "./SendBuffer.ts"
import { isSendTerminal, nextSendState, SendEvent, SendState } from "./sendState.ts"
import type { SendOutcome } from "./StreamOutcome.ts"

/** How the sending part was abandoned. */
export class SendReset {
  readonly code: number
  /** Whether the peer requested it with STOP_SENDING. */
  readonly byPeer: boolean
  /** How many bytes are still delivered: 0 for RESET_STREAM, more for RESET_STREAM_AT. */
  readonly reliableSize: number
  /** Whether the frame was queued, and whether it was acknowledged. */
  queued = false
  acked = false

  constructor(code: number, byPeer: boolean, reliableSize: number) {
    this.code = code
    this.byPeer = byPeer
    this.reliableSize = reliableSize
  }
}

/** The sending part of a stream: its buffer, state and credit. RFC 9000 §3.1 */
export class SendStream {
  /** `credit.used` is the number of bytes ever sent, and so the final size of a reset. */
  readonly credit: SendCredit
  priority = 0
  hint: PathHint = ANY_PATH
  reset: SendReset | undefined = undefined
  /** A `write` was cut short; its caller waits for buffer space. */
  wantsRoom = false
  /** Opened under remembered limits and not yet allowed by the peer. */
  isHeld = false
  /** How many of `heldBytes` are counted by `SendRoom.heldBytes`. */
  countedBytes = 0
  private current: SendState = SendState.ready
  /** Allocated only while it holds data, as most open streams are idle. */
  private buffer: SendBuffer | undefined = undefined
  /** The offset at which the next write starts. */
  private written = 0
  /** Set by `finish`; −1 before. */
  private finalSize = -1
  private finSent = false
  private finAcked = false
  private finLost = false

  constructor(limit: number) {
    this.credit = new SendCredit(limit)
  }

  get isTerminal(): boolean {
    return isSendTerminal(this.current)
  }

  /** Whether everything was sent at least once, FIN included. */
  get isSent(): boolean {
    return this.current === SendState.dataSent || this.isTerminal
  }

  /** Whether `write` and `finish` have an effect; no data may follow the final size. RFC 9000 §4.5 #2 */
  get isWritable(): boolean {
    return this.finalSize < 0 && this.reset === undefined
  }

  /** Bytes buffered for sending and retransmission. */
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

  /** Whether written data or its FIN has not been acknowledged. */
  get isUndelivered(): boolean {
    if (this.isTerminal) return false
    return this.reset !== undefined || this.finalSize >= 0 || this.heldBytes > 0
  }

  // pending data

  /** Whether there is data that needs no credit: lost data or a bare FIN. Never in a terminal state. RFC 9000 §3.3 #1 */
  get hasOwed(): boolean {
    const { buffer } = this
    if (this.isHeld || this.current === SendState.resetSent || this.isTerminal) return false
    return (buffer !== undefined && !buffer.lost.isEmpty) || this.owesFin
  }

  /** Whether there is data never sent, with or without credit for it. */
  get hasUnsent(): boolean {
    return this.buffer !== undefined && this.buffer.unsent > 0 && !this.isHeld
  }

  private get owesFin(): boolean {
    if (this.finalSize < 0 || this.reset !== undefined || this.finAcked) return false
    return (!this.finSent || this.finLost) && (this.buffer === undefined || this.buffer.unsent === 0)
  }

  /** RESET_STREAM can be sent immediately; RESET_STREAM_AT once its reliable size was sent and is covered by credit. */
  get canSendReset(): boolean {
    const { reset } = this
    return reset !== undefined && !reset.queued && !this.isHeld && reset.reliableSize <= this.credit.used
  }

  /** Start and length of the next frame that needs no credit; length 0 for a bare FIN. */
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

  /** Whether a frame ending at `end` carries the FIN. */
  endsAt(end: number): boolean {
    return end === this.finalSize && this.reset === undefined
  }

  get bytes(): SendBuffer {
    return this.buffer!
  }

  // commands

  /** Accepts as much as keeps the buffer within `capacity` bytes; returns how much. */
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

  /** Accepts all of `bytes` if less than `capacity` is buffered; otherwise nothing, and returns false. */
  writeWhole(bytes: Uint8Array, capacity: number): boolean {
    if (!this.isWritable) return false
    if (this.heldBytes >= capacity) {
      this.wantsRoom = true
      return false
    }
    this.write(bytes, Number.POSITIVE_INFINITY)
    return true
  }

  /** As `writeWhole`, of all `chunks` together. */
  writeAll(chunks: ReadonlyArray<Uint8Array>, capacity: number): boolean {
    if (!this.isWritable) return false
    if (this.heldBytes >= capacity) {
      this.wantsRoom = true
      return false
    }
    for (const chunk of chunks) this.write(chunk, Number.POSITIVE_INFINITY)
    return true
  }

  finish(): void {
    if (this.isWritable) this.finalSize = this.written
  }

  /**
   * Abandons unacknowledged data beyond the first `reliableSize` bytes; false if that changes nothing. Further calls
   * can only reduce the reliable size and do not change the code. draft-ietf-quic-reliable-stream-reset §5.2
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

  /** Marks everything as unsent, after 0-RTT was rejected. */
  rewind(): void {
    this.buffer?.rewind()
    this.credit.limit = 0
    this.credit.used = 0
    this.credit.blockedAt = -1
    this.finSent = false
    this.finLost = false
    if (this.reset !== undefined) this.reset.queued = false
    // not a transition of §3.1: for the peer the stream never existed
    if (this.current !== SendState.resetSent) this.current = SendState.ready
  }

  // sent frames and their fate

  /** A STREAM frame was written; returns how many of its bytes were sent for the first time. */
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
    // RFC 9000 §3.3 #2: no STREAM frame after RESET_STREAM, which frees the buffer
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
