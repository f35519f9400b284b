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
  /** Created by the first that waits: most streams wait for nothing but bytes. */
  private waitingWriters: WaitList | undefined = undefined
  ended: { readonly receive: ReceiveOutcome; readonly send: SendOutcome } | undefined = undefined
  /** Whole milliseconds, which V8 keeps without allocating a number. */
  readonly sinceMillis: number
  /** The fiber that serves it; undefined when the application does so itself. */
  handler: Fiber.Fiber<unknown, unknown> | undefined = undefined

  constructor(id: number, nowMicros: number, readers: Tally) {
    this.id = id
    this.readable = new TalliedWaitList(readers)
    this.sinceMillis = Math.floor(nowMicros / 1000)
  }

  /** Woken by room in the send buffer, everything acknowledged, or the end of either half. */
  get writable(): WaitList {
    return (this.waitingWriters ??= new WaitList())
  }

  get waiting(): number {
    return this.readable.size + (this.waitingWriters?.size ?? 0)
  }

  wakeWriters(): void {
    this.waitingWriters?.wakeAll()
  }

  wakeAll(): void {
    this.readable.wakeAll()
    this.wakeWriters()
  }
}
