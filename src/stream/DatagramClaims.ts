import { ByteReader } from "../wire/ByteReader.ts"
import type { ReceivedDatagrams } from "./ReceivedDatagrams.ts"

/** Who reads which datagrams: by the variable-length integer they begin with. RFC 9000 §16 */
export class DatagramClaims {
  private readonly queues = new Map<number, ReceivedDatagrams>()
  /** Queues something has been put into since `pollArrived`. */
  private readonly arrived = new Set<ReceivedDatagrams>()
  private readonly reader = new ByteReader()

  /** Memory held, including overhead. */
  get heldBytes(): number {
    let sum = 0
    for (const { heldBytes } of this.queues.values()) sum += heldBytes
    return sum
  }

  /** Claims the datagrams that begin with `prefix`; returns how to release them, or undefined if they are claimed. */
  add(prefix: number, queue: ReceivedDatagrams): (() => void) | undefined {
    if (this.queues.has(prefix)) return undefined
    this.queues.set(prefix, queue)
    return () => {
      if (this.queues.get(prefix) === queue) this.queues.delete(prefix)
    }
  }

  /** Takes a datagram, without its prefix, into the queue of its claim; false if it has none. */
  take(bytes: Uint8Array, start: number, end: number): boolean {
    if (this.queues.size === 0) return false
    const reader = this.reader.reset(bytes, start, end)
    const prefix = reader.varint()
    const queue = reader.failed ? undefined : this.queues.get(prefix)
    if (queue === undefined) return false
    queue.push(bytes, reader.offset, end)
    this.arrived.add(queue)
    return true
  }

  /** Takes what is claimed out of `unclaimed`, whose order stays. */
  sift(unclaimed: ReceivedDatagrams): void {
    for (let left = unclaimed.length; left > 0; left--) {
      const bytes = unclaimed.shift()!
      if (!this.take(bytes, 0, bytes.length)) unclaimed.push(bytes, 0, bytes.length)
    }
  }

  /** Tells the readers of what has arrived. */
  announce(): void {
    if (this.arrived.size === 0) return
    const queues = [...this.arrived]
    this.arrived.clear()
    for (const queue of queues) queue.onArrival()
  }
}
