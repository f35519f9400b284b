import * as Deferred from "effect/Deferred"
import { WaitList } from "./WaitList.ts"

/** What fibers wait for on one connection. */
export class ConnectionSignals {
  /** Established, or over. */
  readonly ready = new WaitList()
  /** Over. */
  readonly closed = new WaitList()
  /** A stream can be opened or accepted, or a datagram read. */
  readonly changed = new WaitList()
  /** The core has been driven: something may have been acknowledged, or may be possible now. */
  readonly driven = new WaitList()
  /** Nothing is left on the wire. */
  readonly drained = Deferred.makeUnsafe<void>()

  get isDrained(): boolean {
    return Deferred.isDoneUnsafe(this.drained)
  }

  /** Fibers of the application that wait. */
  get waiting(): number {
    return this.ready.size + this.closed.size + this.changed.size + this.driven.size
  }
}
