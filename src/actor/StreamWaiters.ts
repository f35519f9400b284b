import type { ReceiveOutcome, SendOutcome } from "../stream/StreamOutcome.ts"
import { WaitList } from "./WaitList.ts"

/** Who waits for one stream. Made when the application first touches the stream, gone when it is closed. */
export class StreamWaiters {
  readonly id: number
  readonly readable = new WaitList()
  /** Room in the send buffer, acknowledgement of everything, or the end of either. */
  readonly writable = new WaitList()
  /** How both sides ended, kept for whoever still holds the stream after the core has forgotten it. */
  ended: { readonly receive: ReceiveOutcome; readonly send: SendOutcome } | undefined = undefined

  constructor(id: number) {
    this.id = id
  }

  wakeAll(): void {
    this.readable.wakeAll()
    this.writable.wakeAll()
  }
}
