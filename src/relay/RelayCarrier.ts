/** Why a relay closes a connection, as codes of RFC 6455 §7.4.1. */
export const CloseCode = { goingAway: 1001, protocolError: 1002, policy: 1008, tryAgainLater: 1013 } as const
export type CloseCode = (typeof CloseCode)[keyof typeof CloseCode]

/** What carries the frames of one connection: a WebSocket, or a simulated one. Its methods must not throw. */
export interface RelayCarrier {
  /** Takes over a frame. More than `writable` allows is only sent at the end of a connection. */
  send(frame: Uint8Array): void
  /** False while it holds as much as it should; `onWritable` is called when that has changed. */
  readonly writable: boolean
  /** Asks to deliver no more frames until `resume`; those that are on their way may still come. */
  pause(): void
  resume(): void
  /** Closes the connection after what was sent; nothing of it is of interest any more. */
  close(code: CloseCode, reason: string): void
}
