import { Fifo } from "../internal/Fifo.ts"

/** Approximate overhead of a queued datagram: even an empty one is some objects and its places in queue, heap and map. */
export const datagramOverheadBytes = 256

const empty = new Uint8Array(0)
const nothing = (): void => {}

/**
 * Datagrams that wait to be read, of one reader. Limited in bytes, each datagram counting `datagramOverheadBytes` extra; to
 * make room, the oldest are dropped. RFC 9221
 */
export class ReceivedDatagrams {
  /** Dropped to make room for newer ones. */
  dropped = 0
  /** Called once after something has arrived, outside the core. */
  readonly onArrival: () => void
  private readonly queue = new Fifo<Uint8Array>()
  private readonly maxBytes: number
  private held = 0

  constructor(maxBytes: number, onArrival: () => void = nothing) {
    this.maxBytes = maxBytes
    this.onArrival = onArrival
  }

  get length(): number {
    return this.queue.length
  }

  /** Memory held, including overhead. */
  get heldBytes(): number {
    return this.held
  }

  /** Keeps a copy of `bytes[start, end)`. */
  push(bytes: Uint8Array, start: number, end: number): void {
    // hundreds of empty ones fit into a packet: they need no copy
    this.queue.push(start === end ? empty : bytes.slice(start, end))
    this.held += datagramOverheadBytes + (end - start)
    while (this.held > this.maxBytes && this.queue.length > 1) {
      this.take()
      this.dropped++
    }
  }

  shift(): Uint8Array | undefined {
    const bytes = this.take()
    // its own, as the reader may transfer it to another thread
    return bytes === empty ? new Uint8Array(0) : bytes
  }

  private take(): Uint8Array | undefined {
    const bytes = this.queue.shift()
    if (bytes !== undefined) this.held -= datagramOverheadBytes + bytes.length
    return bytes
  }
}
