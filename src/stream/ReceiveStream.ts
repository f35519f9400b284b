import { ReceiveWindow } from "./FlowControl.ts"
import { ReceiveBuffer } from "./ReceiveBuffer.ts"
import { isReceiveTerminal, nextReceiveState, ReceiveEvent, ReceiveState } from "./receiveState.ts"
import type { ReceiveOutcome } from "./StreamOutcome.ts"

/** What a STREAM frame brought. */
export const Arrival = {
  nothing: 0,
  /** Something, but nothing to read: it is kept behind a gap. */
  kept: 1,
  readable: 2
} as const
export type Arrival = (typeof Arrival)[keyof typeof Arrival]

/**
 * The receiving part of a stream. RFC 9000 §3.2
 *
 * Callers check final size and flow control first; see `ReceiveCredit`.
 */
export class ReceiveStream {
  /** `consumed` counts bytes read, or discarded once the stream is no longer read. */
  readonly window: ReceiveWindow
  /** −1 until known. RFC 9000 §4.5 */
  finalSize = -1
  /** Error code of the peer's reset; −1 for none. */
  resetCode = -1
  /** Error code of our STOP_SENDING; −1 for none. */
  stopCode = -1
  /** Reliable size of a RESET_STREAM_AT; −1 if none was received. Not Infinity, for which V8 allocates a number. */
  private reliableSize = -1
  private current: ReceiveState = ReceiveState.recv
  /** Allocated only while it holds data, as most open streams are idle. */
  private buffer: ReceiveBuffer | undefined = undefined
  /** The offset at which the next buffer starts. */
  private nextOffset = 0
  /** Whether it is read by `readInto`. */
  private isCopiedOut = false

  constructor(windowBytes: number, maxWindowBytes: number) {
    this.window = new ReceiveWindow(windowBytes, maxWindowBytes)
  }

  get state(): ReceiveState {
    return this.current
  }

  get isTerminal(): boolean {
    return isReceiveTerminal(this.current)
  }

  /** Whether the final size is unknown or data is missing. RFC 9000 §3.5 */
  get isIncomplete(): boolean {
    return this.current === ReceiveState.recv || this.current === ReceiveState.sizeKnown
  }

  get isStopped(): boolean {
    return this.stopCode >= 0
  }

  /** Whether its data will never be read, so that its credit can be released. */
  get isAbandoned(): boolean {
    return this.isStopped || this.isTerminal || this.current === ReceiveState.resetRecvd
  }

  /** Bytes beyond it are not delivered. */
  private get deliverable(): number {
    return this.reliableSize < 0 ? Number.POSITIVE_INFINITY : this.reliableSize
  }

  get readable(): number {
    const { buffer } = this
    return buffer === undefined ? 0 : Math.max(0, Math.min(buffer.end, this.deliverable) - buffer.readOffset)
  }

  /** How far `offset` is ahead of the first byte that is missing. */
  ahead(offset: number): number {
    return this.buffer === undefined ? 0 : offset - this.buffer.end
  }

  /** Memory of data behind a gap. */
  get reorderBytes(): number {
    return this.buffer === undefined ? 0 : this.buffer.reorderBytes
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

  /** STREAM. */
  onStream(offset: number, bytes: Uint8Array, start: number, end: number, fin: boolean): Arrival {
    let arrival: Arrival = Arrival.nothing
    if (this.isIncomplete && !this.isStopped && end > start) {
      this.buffer ??= new ReceiveBuffer(this.nextOffset, this.isCopiedOut)
      if (this.buffer.insert(offset, bytes, start, end) > 0) arrival = Arrival.readable
      else if (this.buffer.hasGained) arrival = Arrival.kept
    }
    if (fin) this.setFinalSize(offset + (end - start))
    return this.endIfComplete() ? Arrival.readable : arrival
  }

  /** RESET_STREAM, or RESET_STREAM_AT with its reliable size. Returns whether there is something new to read. */
  onReset(code: number, finalSize: number, reliableSize: number): boolean {
    if (!this.isIncomplete) return false
    this.resetCode = code
    this.finalSize = finalSize
    if (reliableSize > 0 && !this.isStopped) {
      // draft-ietf-quic-reliable-stream-reset §5.2: a frame that increases the reliable size MUST be ignored
      this.reliableSize = Math.min(this.deliverable, reliableSize)
      this.current = nextReceiveState(this.current, ReceiveEvent.finReceived)
      return this.endIfComplete()
    }
    this.current = nextReceiveState(this.current, ReceiveEvent.resetReceived)
    this.buffer = undefined
    if (this.isStopped) this.current = nextReceiveState(this.current, ReceiveEvent.stopped)
    return true
  }

  /** The next bytes in order, at most `max`; undefined if there are none now or at the end. RFC 9000 §2.2 #1 */
  read(max: number): Uint8Array | undefined {
    const available = Math.min(max, this.readable)
    const bytes = available > 0 ? this.buffer!.read(available) : undefined
    this.onRead(bytes !== undefined)
    return bytes
  }

  /** Copies the next bytes into `into`; returns how many. Otherwise as `read`. */
  readInto(into: Uint8Array): number {
    this.isCopiedOut = true
    const { readable } = this
    const size = readable > 0 ? this.buffer!.readInto(into, readable) : 0
    this.onRead(size > 0)
    return size
  }

  private onRead(hasRead: boolean): void {
    if (this.buffer?.isEmpty === true) {
      this.nextOffset = this.buffer.end
      this.buffer = undefined
    }
    if (this.current === ReceiveState.dataRecvd && this.readable === 0) {
      this.current = nextReceiveState(this.current, ReceiveEvent.allRead)
    } else if (!hasRead && this.current === ReceiveState.resetRecvd) {
      this.current = nextReceiveState(this.current, ReceiveEvent.resetRead)
    }
  }

  /** Copies what `read` would return next, without consuming it; returns how many bytes. */
  peek(into: Uint8Array): number {
    const { buffer, readable } = this
    return buffer === undefined ? 0 : Math.min(buffer.peek(into), readable)
  }

  /** The application stops reading. Returns whether to send STOP_SENDING. RFC 9000 §3.5 #S1 #S4 */
  stop(code: number): boolean {
    if (this.isTerminal || this.isStopped) return false
    const tell = this.isIncomplete
    this.stopCode = code
    this.current = nextReceiveState(this.current, ReceiveEvent.stopped)
    this.buffer = undefined
    return tell
  }

  private setFinalSize(finalSize: number): void {
    this.finalSize = finalSize
    this.current = nextReceiveState(this.current, ReceiveEvent.finReceived)
    if (this.isStopped) this.current = nextReceiveState(this.current, ReceiveEvent.stopped)
  }

  private endIfComplete(): boolean {
    if (this.current !== ReceiveState.sizeKnown) return false
    const arrived = this.buffer === undefined ? this.nextOffset : this.buffer.end
    if (arrived < Math.min(this.finalSize, this.deliverable)) return false
    this.current = nextReceiveState(this.current, ReceiveEvent.allReceived)
    return true
  }
}
