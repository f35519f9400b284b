import { TransportError, TransportErrorCode } from "../wire/TransportError.ts"
import { ReceiveWindow } from "./FlowControl.ts"
import type { ReceiveStream } from "./ReceiveStream.ts"

/** Holds the peer to what we allowed it to send, stream by stream and in sum, and books what is given back. RFC 9000 §4 */
export class ReceiveCredit {
  readonly window: ReceiveWindow

  constructor(windowBytes: number, maxWindowBytes: number) {
    this.window = new ReceiveWindow(windowBytes, maxWindowBytes)
  }

  /** A frame reaches to offset `end` of the stream, and says, unless −1, that `finalSize` is where it ends. */
  admit(
    receive: ReceiveStream,
    end: number,
    finalSize: number,
    frameType: number
  ): TransportError | undefined {
    const { window } = receive
    const known = receive.finalSize
    // RFC 9000 §4.5 #1 #S1: a final size counts as if all had been sent; then it cannot change, and nothing lies beyond it
    if (known >= 0 && end > known)
      return finalSizeError(`data up to ${end} of a stream of ${known} bytes`, frameType)
    if (known >= 0 && finalSize >= 0 && finalSize !== known)
      return finalSizeError(`a final size of ${finalSize} after one of ${known}`, frameType)
    if (finalSize >= 0 && finalSize < window.received)
      return finalSizeError(`a final size of ${finalSize} after data up to ${window.received}`, frameType)
    const more = end - window.received
    if (more <= 0) return undefined
    // RFC 9000 §4.1 #2, §19.9 #2, §19.10 #4, §17.2.3 #S2: more than the advertised stream or connection limit is a FLOW_CONTROL_ERROR
    if (end > window.limit)
      return flowControlError(`data up to ${end} of ${window.limit} on a stream`, frameType)
    if (this.window.received + more > this.window.limit)
      return flowControlError(
        `${this.window.received + more} bytes of ${this.window.limit} in all`,
        frameType
      )
    window.received = end
    this.window.received += more
    return undefined
  }

  /** Nothing below `offset` occupies us any more. */
  release(receive: ReceiveStream, offset: number): void {
    const more = offset - receive.window.consumed
    if (more <= 0) return
    receive.window.consumed = offset
    this.window.consumed += more
  }
}

const finalSizeError = (reason: string, frameType: number): TransportError =>
  new TransportError(TransportErrorCode.FINAL_SIZE_ERROR, reason, frameType)

const flowControlError = (reason: string, frameType: number): TransportError =>
  new TransportError(TransportErrorCode.FLOW_CONTROL_ERROR, reason, frameType)
