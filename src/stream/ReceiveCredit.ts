import { TransportError, TransportErrorCode } from "../wire/TransportError.ts"
import { ReceiveWindow } from "./FlowControl.ts"
import type { ReceiveStream } from "./ReceiveStream.ts"

/** Enforces receive limits, per stream and for the connection, and accounts for released credit. RFC 9000 §4 */
export class ReceiveCredit {
  readonly window: ReceiveWindow

  constructor(windowBytes: number, maxWindowBytes: number) {
    this.window = new ReceiveWindow(windowBytes, maxWindowBytes)
  }

  /** Admits a frame with data up to offset `end`; `finalSize` is −1 if the frame does not carry it. */
  admit(
    receive: ReceiveStream,
    end: number,
    finalSize: number,
    frameType: number
  ): TransportError | undefined {
    const { window } = receive
    const known = receive.finalSize
    // RFC 9000 §4.5 #1 #S1: a final size uses credit like data, cannot change, and bounds all data
    if (known >= 0 && end > known)
      return finalSizeError(`data up to offset ${end} on a stream with final size ${known}`, frameType)
    if (known >= 0 && finalSize >= 0 && finalSize !== known)
      return finalSizeError(`final size changed from ${known} to ${finalSize}`, frameType)
    if (finalSize >= 0 && finalSize < window.received)
      return finalSizeError(`final size ${finalSize} after data up to offset ${window.received}`, frameType)
    const more = end - window.received
    if (more <= 0) return undefined
    // RFC 9000 §4.1 #2, §19.9 #2, §19.10 #4, §17.2.3 #S2: more than the advertised stream or connection limit is a FLOW_CONTROL_ERROR
    if (end > window.limit)
      return flowControlError(
        `stream data up to offset ${end} exceeds the limit of ${window.limit}`,
        frameType
      )
    if (this.window.received + more > this.window.limit)
      return flowControlError(
        `${this.window.received + more} bytes exceed the connection limit of ${this.window.limit}`,
        frameType
      )
    window.received = end
    this.window.received += more
    return undefined
  }

  /** Releases the credit of everything below `offset`. */
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
