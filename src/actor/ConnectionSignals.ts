import { type Tally, TalliedWaitList, WaitList } from "./WaitList.ts"

/** What fibers wait for on one connection. */
export class ConnectionSignals {
  /** Established or closed. */
  readonly ready = new WaitList()
  /** Closed. */
  readonly closed = new WaitList()
  /** A stream can be opened or accepted, or a datagram read. */
  readonly changed: WaitList
  /** The core was driven: something may have been acknowledged or become possible. */
  readonly driven = new WaitList()

  /** No more datagrams of the connection are expected. */
  isDrained = false

  /** `readers` counts those who wait for something of the peer's. */
  constructor(readers: Tally) {
    this.changed = new TalliedWaitList(readers)
  }

  /** Application fibers that wait. */
  get waiting(): number {
    return this.ready.size + this.closed.size + this.changed.size + this.driven.size
  }
}
