import { ReceiveWindow } from "./FlowControl.ts"
import { ReceiveBuffer } from "./ReceiveBuffer.ts"
import { isReceiveTerminal, nextReceiveState, ReceiveEvent, ReceiveState } from "./receiveState.ts"
import type { ReceiveOutcome } from "./StreamOutcome.ts"

/**
 * The receiving part of one stream: what has arrived and how far it was read. RFC 9000 §3.2
 *
 * Its callers have checked final size and flow control (see `ReceiveCredit`) before they hand anything in.
 */
export class ReceiveStream {
  /** `consumed` is what was read, or thrown away once nobody reads it. */
  readonly window: ReceiveWindow
  /** −1 until known. RFC 9000 §4.5 */
  finalSize = -1
  /** Of the peer's reset; −1 for none. */
  resetCode = -1
  /** Of our STOP_SENDING; −1 for none. */
  stopCode = -1
  /** What a RESET_STREAM_AT promises; Infinity when there is none. */
  private reliableSize = Number.POSITIVE_INFINITY
  private current: ReceiveState = ReceiveState.recv
  /** There only while it holds something: most streams that are open are idle. */
  private buffer: ReceiveBuffer | undefined = undefined
  /** The offset that the next buffer begins at. */
  private emptiedAt = 0

  constructor(windowBytes: number, maxWindowBytes: number) {
    this.window = new ReceiveWindow(windowBytes, maxWindowBytes)
  }

  get state(): ReceiveState {
    return this.current
  }

  get isTerminal(): boolean {
    return isReceiveTerminal(this.current)
  }

  /** Whether the final size is still unknown or data is missing. RFC 9000 §3.5 */
  get isIncomplete(): boolean {
    return this.current === ReceiveState.recv || this.current === ReceiveState.sizeKnown
  }

  get isStopped(): boolean {
    return this.stopCode >= 0
  }

  /** Nothing of it will be read any more: what it occupied can be given back. */
  get isAbandoned(): boolean {
    return this.isStopped || this.isTerminal || this.current === ReceiveState.resetRecvd
  }

  get readable(): number {
    const { buffer } = this
    return buffer === undefined ? 0 : Math.max(0, Math.min(buffer.end, this.reliableSize) - buffer.readOffset)
  }

  get allocatedBytes(): number {
    return this.buffer === undefined ? 0 : this.buffer.allocatedBytes
  }

  get outcome(): ReceiveOutcome {
    if (this.isStopped) return { _tag: "stopped" }
    if (!this.isAbandoned && (this.current !== ReceiveState.dataRecvd || this.readable > 0))
      return { _tag: "open" }
    return this.resetCode >= 0 ? { _tag: "reset", code: this.resetCode } : { _tag: "finished" }
  }

  /** A STREAM frame. Returns whether the application has something new to see. */
  onStream(offset: number, bytes: Uint8Array, start: number, end: number, fin: boolean): boolean {
    let isNews = false
    if (this.isIncomplete && !this.isStopped && end > start) {
      this.buffer ??= new ReceiveBuffer(this.emptiedAt)
      isNews = this.buffer.insert(offset, bytes, start, end) > 0
    }
    if (fin) this.knowSize(offset + (end - start))
    return this.endIfComplete() || isNews
  }

  /** RESET_STREAM, or RESET_STREAM_AT with what it promises. Returns whether the application has something new to see. */
  onReset(code: number, finalSize: number, reliableSize: number): boolean {
    if (!this.isIncomplete) return false
    this.resetCode = code
    this.finalSize = finalSize
    if (reliableSize > 0 && !this.isStopped) {
      // draft-ietf-quic-reliable-stream-reset §5.2: a frame that increases the reliable size MUST be ignored
      this.reliableSize = Math.min(this.reliableSize, reliableSize)
      this.current = nextReceiveState(this.current, ReceiveEvent.finReceived)
      return this.endIfComplete()
    }
    this.current = nextReceiveState(this.current, ReceiveEvent.resetReceived)
    this.buffer = undefined
    if (this.isStopped) this.current = nextReceiveState(this.current, ReceiveEvent.stopped)
    return true
  }

  /** The next bytes in order, at most `max`; undefined when there are none, which may be the end. RFC 9000 §2.2 #1 */
  read(max: number): Uint8Array | undefined {
    const available = Math.min(max, this.readable)
    const bytes = available > 0 ? this.buffer!.read(available) : undefined
    if (this.buffer?.isEmpty === true) {
      this.emptiedAt = this.buffer.end
      this.buffer = undefined
    }
    if (this.current === ReceiveState.dataRecvd && this.readable === 0) {
      this.current = nextReceiveState(this.current, ReceiveEvent.allRead)
    } else if (bytes === undefined && this.current === ReceiveState.resetRecvd) {
      this.current = nextReceiveState(this.current, ReceiveEvent.resetRead)
    }
    return bytes
  }

  /** Nobody will read it any more. Returns whether the peer should be told. RFC 9000 §3.5 #S1 #S4 */
  stop(code: number): boolean {
    if (this.isTerminal || this.isStopped) return false
    const tell = this.isIncomplete
    this.stopCode = code
    this.current = nextReceiveState(this.current, ReceiveEvent.stopped)
    this.buffer = undefined
    return tell
  }

  private knowSize(finalSize: number): void {
    this.finalSize = finalSize
    this.current = nextReceiveState(this.current, ReceiveEvent.finReceived)
    if (this.isStopped) this.current = nextReceiveState(this.current, ReceiveEvent.stopped)
  }

  private endIfComplete(): boolean {
    if (this.current !== ReceiveState.sizeKnown) return false
    const arrived = this.buffer === undefined ? this.emptiedAt : this.buffer.end
    if (arrived < Math.min(this.finalSize, this.reliableSize)) return false
    this.current = nextReceiveState(this.current, ReceiveEvent.allReceived)
    return true
  }
}
