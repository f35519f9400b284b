import type { Duplex } from "node:stream"
import type { WebSocket } from "@effect/platform-node/NodeWS"
import type { CloseCode, RelayCarrier } from "../../../src/relay/RelayCarrier.ts"

/** One that does not answer a close for so long is cut off: it may be one that reads nothing. */
const CLOSE_MILLIS = 3000

/** A client's WebSocket. It is writable as long as its socket asks nobody to wait. */
export class WebSocketCarrier implements RelayCarrier {
  private readonly webSocket: WebSocket
  private readonly socket: Duplex

  constructor(webSocket: WebSocket, socket: Duplex) {
    this.webSocket = webSocket
    this.socket = socket
  }

  get writable(): boolean {
    return !this.socket.writableNeedDrain
  }

  send(frame: Uint8Array): void {
    if (this.webSocket.readyState === this.webSocket.OPEN) this.webSocket.send(frame)
  }

  pause(): void {
    this.webSocket.pause()
  }

  resume(): void {
    this.webSocket.resume()
  }

  close(code: CloseCode, reason: string): void {
    // the answer to a close is only read by one that reads
    this.webSocket.resume()
    this.webSocket.close(code, reason)
    const cutOff = setTimeout(() => this.webSocket.terminate(), CLOSE_MILLIS)
    this.webSocket.once("close", () => clearTimeout(cutOff))
  }
}
