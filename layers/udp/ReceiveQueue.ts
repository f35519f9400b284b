/** The bounded queue between whatever receives datagrams and the endpoint that drains them. */
import type { EcnCodepoint, ReceivedDatagram } from "../../src/capability/UdpPort.ts"
import type { SocketAddress } from "../../src/wire/SocketAddress.ts"

class Datagram implements ReceivedDatagram {
  readonly bytes: Uint8Array
  readonly from: SocketAddress
  readonly to: SocketAddress | undefined
  readonly ecn: EcnCodepoint

  constructor(bytes: Uint8Array, from: SocketAddress, to: SocketAddress | undefined, ecn: EcnCodepoint) {
    this.bytes = bytes
    this.from = from
    this.to = to
    this.ecn = ecn
  }
}

const noWake = (): void => {}

export const defaultReceiveQueueLength = 4096

export class ReceiveQueue {
  readonly capacity: number
  private readonly waiting: Array<Datagram> = []
  private head = 0
  /** The owner has seen the queue empty since the last wake-up. */
  private armed = true
  private wakeOwner: () => void = noWake

  constructor(capacity: number) {
    this.capacity = capacity
  }

  get length(): number {
    return this.waiting.length - this.head
  }

  onReadable(wake: () => void): void {
    this.wakeOwner = wake
    if (this.length > 0) {
      this.armed = false
      wake()
    }
  }

  wake(): void {
    this.wakeOwner()
  }

  /** Returns false, having kept nothing, when the queue is full. */
  push(bytes: Uint8Array, from: SocketAddress, to: SocketAddress | undefined, ecn: EcnCodepoint): boolean {
    if (this.waiting.length - this.head >= this.capacity) return false
    this.waiting.push(new Datagram(bytes, from, to, ecn))
    if (this.armed) {
      this.armed = false
      this.wakeOwner()
    }
    return true
  }

  drain(max: number, handle: (datagram: ReceivedDatagram) => void): number {
    const waiting = this.waiting
    let taken = 0
    while (taken < max && this.head < waiting.length) {
      taken++
      handle(waiting[this.head++])
    }
    if (this.head === waiting.length) {
      waiting.length = 0
      this.head = 0
      this.armed = true
    } else if (this.head >= this.capacity) {
      waiting.splice(0, this.head)
      this.head = 0
    }
    return taken
  }

  /** Forgets what waits and never wakes again. */
  close(): void {
    this.waiting.length = 0
    this.head = 0
    this.wakeOwner = noWake
  }
}
