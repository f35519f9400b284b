/** The bounded queue between a socket and the endpoint that drains it. */
import { Fifo } from "../internal/Fifo.ts"
import type { EcnCodepoint, ReceivedDatagram } from "../capability/UdpPort.ts"
import type { SocketAddress } from "../wire/SocketAddress.ts"

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

/** Average bytes allowed per datagram; a queue of larger ones holds fewer. */
const averageDatagramBytes = 4096

/** Limited in datagrams and in bytes, as anyone can fill it, even with 64 kB datagrams. */
export class ReceiveQueue {
  readonly capacity: number
  private readonly waiting = new Fifo<Datagram>()
  private bytes = 0
  /** Whether the owner has drained the queue since the last wake-up. */
  private armed = true
  private wakeOwner: () => void = noWake

  constructor(capacity: number) {
    this.capacity = capacity
  }

  get length(): number {
    return this.waiting.length
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

  /** Returns false, without queuing anything, if the queue is full. */
  push(bytes: Uint8Array, from: SocketAddress, to: SocketAddress | undefined, ecn: EcnCodepoint): boolean {
    const { waiting, capacity } = this
    if (waiting.length >= capacity || (this.bytes >= capacity * averageDatagramBytes && waiting.length > 0))
      return false
    waiting.push(new Datagram(bytes, from, to, ecn))
    this.bytes += bytes.length
    if (this.armed) {
      this.armed = false
      this.wakeOwner()
    }
    return true
  }

  drain(max: number, handle: (datagram: ReceivedDatagram) => void): number {
    const { waiting } = this
    let taken = 0
    while (taken < max) {
      const datagram = waiting.shift()
      if (datagram === undefined) break
      taken++
      this.bytes -= datagram.bytes.length
      handle(datagram)
    }
    if (waiting.length === 0) this.armed = true
    return taken
  }

  /** Drops the queue and disables wake-ups. */
  close(): void {
    this.waiting.clear()
    this.bytes = 0
    this.wakeOwner = noWake
  }
}
