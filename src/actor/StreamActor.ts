/**
 * One stream in use.
 *
 * It owns the wait lists of the stream, the fiber of its handler under `serveStreams`, and how both halves ended, for
 * use after the core has removed the stream. Created when the application first uses the stream, dropped when the
 * stream is closed. A handler that dies only affects its own stream.
 */
import type * as Fiber from "effect/Fiber"
import type { ReceiveOutcome, SendOutcome } from "../stream/StreamOutcome.ts"
import { type Tally, TalliedWaitList, WaitList } from "./WaitList.ts"

export class StreamActor {
  readonly id: number
  readonly readable: WaitList
  /** Room in the send buffer, everything acknowledged, or the end of either half. */
  readonly writable = new WaitList()
  ended: { readonly receive: ReceiveOutcome; readonly send: SendOutcome } | undefined = undefined
  readonly sinceMicros: number
  /** The fiber that serves it; undefined when the application does so itself. */
  handler: Fiber.Fiber<unknown, unknown> | undefined = undefined

  constructor(id: number, nowMicros: number, readers: Tally) {
    this.id = id
    this.readable = new TalliedWaitList(readers)
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
