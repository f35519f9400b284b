/** Datagrams for one destination that leave in one call: of one size, but for the last, which may be smaller. */
import type { EcnCodepoint } from "../../../src/capability/UdpPort.ts"
import type { SocketAddress } from "../../../src/wire/SocketAddress.ts"
import type { Memory } from "./Memories.ts"

/** Linux takes 64 at least, and as many bytes as an IPv4 datagram. */
const MAX_DATAGRAMS = 64
const MAX_BYTES = 65_507

const nowhere: SocketAddress = { host: "0.0.0.0", port: 0, family: 4 }

export class Train {
  readonly memory: Memory
  /** Bytes of all its datagrams, which lie from offset 0 on. */
  bytes = 0
  count = 0
  /** Bytes of each datagram but the last. */
  size = 0
  to: SocketAddress
  /** The `sockaddr` of `to`. */
  name: Uint8Array
  ecn: EcnCodepoint = 0
  from: SocketAddress | undefined = undefined
  /** Datagrams that have left, of a train that did not leave as one. */
  left = 0
  /** Ended by a smaller datagram. */
  private isEnded = false

  constructor(memory: Memory) {
    this.memory = memory
    this.to = nowhere
    this.name = memory.pinned.bytes
  }

  /** Whether a datagram of `length` bytes may follow those that are there. */
  mayAppend(length: number, to: SocketAddress, ecn: EcnCodepoint, from: SocketAddress | undefined): boolean {
    return (
      this.count > 0 &&
      to === this.to &&
      ecn === this.ecn &&
      from === this.from &&
      length <= this.size &&
      length > 0 &&
      !this.isEnded &&
      this.count < MAX_DATAGRAMS &&
      this.bytes + length <= MAX_BYTES
    )
  }

  /** The first datagram, which lies at offset 0. */
  begin(
    length: number,
    to: SocketAddress,
    name: Uint8Array,
    ecn: EcnCodepoint,
    from: SocketAddress | undefined
  ): void {
    this.to = to
    this.name = name
    this.ecn = ecn
    this.from = from
    this.size = length
    this.bytes = length
    this.count = 1
  }

  append(length: number): void {
    if (length < this.size) this.isEnded = true
    this.bytes += length
    this.count++
  }

  clear(): void {
    this.bytes = 0
    this.count = 0
    this.size = 0
    this.left = 0
    this.isEnded = false
  }
}
