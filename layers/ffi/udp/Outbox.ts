/** What a socket sends: the train that is being filled, and those that the system has no room for yet. */
import type { EcnCodepoint } from "../../../src/capability/UdpPort.ts"
import { Fifo } from "../../../src/internal/Fifo.ts"
import type { SocketAddress } from "../../../src/wire/SocketAddress.ts"
import type { UdpStatistics } from "../../udp/UdpStatistics.ts"
import { MEMORY_BYTES, type Memories } from "./Memories.ts"
import type { Openings } from "./Openings.ts"
import type { SocketNames } from "./SocketNames.ts"
import { Train } from "./Train.ts"
import type { TrainSender } from "./TrainSender.ts"

/** Trains that wait for room; later ones are dropped. */
const MAX_WAITING = 16

export class Outbox {
  /** Trains wait for room. */
  congested = false
  private readonly memories: Memories
  private readonly names: SocketNames
  private readonly sender: TrainSender
  private readonly openings: Openings
  private readonly counters: UdpStatistics
  private readonly maxDatagramSize: number
  private readonly awaitRoom: () => void
  private readonly waiting = new Fifo<Train>()
  private train: Train | undefined = undefined
  private isClosed = false

  constructor(
    memories: Memories,
    names: SocketNames,
    sender: TrainSender,
    openings: Openings,
    counters: UdpStatistics,
    maxDatagramSize: number,
    awaitRoom: () => void
  ) {
    this.memories = memories
    this.names = names
    this.sender = sender
    this.openings = openings
    this.counters = counters
    this.maxDatagramSize = maxDatagramSize
    this.awaitRoom = awaitRoom
  }

  /** The memory of the train. */
  get buffer(): Uint8Array {
    return this.filling().memory.pinned.bytes
  }

  /** Makes room behind the train for a datagram. */
  reserve(maxBytes: number): number {
    if (this.filling().bytes + maxBytes > MEMORY_BYTES) this.send()
    return this.filling().bytes
  }

  /** The datagram that lies behind the train, up to `end`, becomes part of it, or of the next. */
  commit(end: number, to: SocketAddress, ecn: EcnCodepoint, from: SocketAddress | undefined): void {
    const train = this.filling()
    const start = train.bytes
    const length = end - start
    const { counters } = this
    if (length > this.maxDatagramSize || end > MEMORY_BYTES) counters.sendTooLarge++
    else if (this.isClosed) counters.sendDropped++
    else if ((end | 0) !== end || length < 0) counters.refused(`no datagram ends at ${end}`, to, false)
    else {
      this.openings.note(train.memory.pinned.bytes, start, end)
      if (train.mayAppend(length, to, ecn, from)) train.append(length)
      else this.begin(train, start, end, to, ecn, from)
    }
  }

  flush(): void {
    this.send()
    if (this.train === undefined) return
    this.memories.give(this.train.memory)
    this.train = undefined
  }

  /** Sends what waits, as far as there is room now; true if there was any. */
  resume(): boolean {
    let hasSent = false
    for (let train = this.waiting.first; train !== undefined; train = this.waiting.first) {
      const { left } = train
      if (!this.sender.send(train)) return hasSent || train.left > left
      hasSent = true
      this.waiting.shift()
      this.memories.give(train.memory)
    }
    this.congested = false
    return hasSent
  }

  close(): void {
    this.flush()
    this.isClosed = true
    this.congested = false
    for (let train = this.waiting.shift(); train !== undefined; train = this.waiting.shift()) {
      this.counters.sendDropped += train.count - train.left
      this.memories.give(train.memory)
    }
  }

  /** A new train begins with the datagram at `start` of the memory of the last. */
  private begin(
    last: Train,
    start: number,
    end: number,
    to: SocketAddress,
    ecn: EcnCodepoint,
    from: SocketAddress | undefined
  ): void {
    const name = to.port < 1 ? undefined : this.names.encode(to)
    if (name === undefined) {
      this.counters.refused(`no such destination for this socket: ${to.host} port ${to.port}`, to, true)
      return
    }
    const { bytes } = last.memory.pinned
    this.send()
    const train = this.filling()
    if (train !== last) train.memory.pinned.bytes.set(bytes.subarray(start, end))
    else if (start > 0) bytes.copyWithin(0, start, end)
    train.begin(end - start, to, name, ecn, from)
  }

  private filling(): Train {
    return (this.train ??= new Train(this.memories.take()))
  }

  /** Hands the train to the system, or to those that wait. */
  private send(): void {
    const { train, counters } = this
    if (train === undefined || train.count === 0) return
    if (this.waiting.length === 0 && this.sender.send(train)) train.clear()
    else if (this.waiting.length < MAX_WAITING) this.wait(train)
    else {
      counters.sendDropped += train.count
      train.clear()
    }
  }

  private wait(train: Train): void {
    this.waiting.push(train)
    this.train = undefined
    if (this.congested) return
    this.congested = true
    this.awaitRoom()
  }
}
