import * as Deferred from "effect/Deferred"
import { WaitList } from "./WaitList.ts"

/** What fibers wait for on one connection. */
export class ConnectionSignals {
  /** Established or closed. */
  readonly ready = new WaitList()
  /** Closed. */
  readonly closed = new WaitList()
  /** A stream can be opened or accepted, or a datagram read. */
  readonly changed = new WaitList()
  /** The core was driven: something may have been acknowledged or become possible. */
  readonly driven = new WaitList()
  /** The connection is drained. */
  readonly drained = Deferred.makeUnsafe<void>()

  get isDrained(): boolean {
    return Deferred.isDoneUnsafe(this.drained)
  }

  /** Application fibers that wait. */
  get waiting(): number {
    return this.ready.size + this.closed.size + this.changed.size + this.driven.size
  }
}
