/**
 * One stream in use.
 *
 * It owns who waits for the stream, the fiber of its handler when `serveStreams` runs one, and how both halves ended,
 * for whoever holds the stream after the core has forgotten it. Made when the application first touches the stream,
 * gone when the stream is closed. A handler that dies takes its own stream with it and nothing else.
 */
import type * as Fiber from "effect/Fiber"
import type { ReceiveOutcome, SendOutcome } from "../stream/StreamOutcome.ts"
import { WaitList } from "./WaitList.ts"

export class StreamActor {
  readonly id: number
  readonly readable = new WaitList()
  /** Room in the send buffer, acknowledgement of everything, or the end of either. */
  readonly writable = new WaitList()
  ended: { readonly receive: ReceiveOutcome; readonly send: SendOutcome } | undefined = undefined
  readonly sinceMicros: number
  /** The fiber that serves it; undefined when the application does so in fibers of its own. */
  handler: Fiber.Fiber<unknown, unknown> | undefined = undefined

  constructor(id: number, nowMicros: number) {
    this.id = id
    this.sinceMicros = nowMicros
  }

  get waiting(): number {
    return this.readable.size + this.writable.size
  }

  wakeAll(): void {
    this.readable.wakeAll()
    this.writable.wakeAll()
  }
}
