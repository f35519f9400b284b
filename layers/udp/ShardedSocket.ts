/**
 * The socket of one shard: several are bound to one port, and a datagram that reaches the wrong one, as its sender has
 * another address than before, is passed on to the shard that its connection ID names.
 */
import type { ShardNumber } from "../../src/capability/Shard.ts"
import type {
  EcnCodepoint,
  ReceivedDatagram,
  UdpCapabilities,
  UdpCounters,
  UdpSocket
} from "../../src/capability/UdpPort.ts"
import { shardOfPacket } from "../../src/endpoint/shardOfId.ts"
import type { SocketAddress } from "../../src/wire/SocketAddress.ts"
import { ReceiveQueue } from "../../src/actor/ReceiveQueue.ts"
import { RemoteAddresses } from "./RemoteAddresses.ts"

/** A datagram on its way to another shard. */
export interface Stray {
  readonly bytes: Uint8Array
  readonly from: SocketAddress
  readonly to: SocketAddress | undefined
  readonly ecn: EcnCodepoint
}

/** Takes datagrams to another shard; what it has no room for is lost, as in a network. */
export type PassOn = (shard: number, strays: ReadonlyArray<Stray>) => void

/** Datagrams that other shards have passed on and that wait to be read. */
const QUEUE_LENGTH = 4096

export class ShardedSocket implements UdpSocket {
  private readonly inner: UdpSocket
  private readonly shard: ShardNumber
  private readonly passOn: PassOn
  private readonly arrived = new ReceiveQueue(QUEUE_LENGTH)
  private readonly remotes = new RemoteAddresses()
  /** Strays of this drain, by shard. */
  private readonly leaving: ReadonlyArray<Array<Stray>>
  private hasStrays = false
  private handle: (datagram: ReceivedDatagram) => void = () => {}

  constructor(inner: UdpSocket, shard: ShardNumber, passOn: PassOn) {
    this.inner = inner
    this.shard = shard
    this.passOn = passOn
    this.leaving = Array.from({ length: shard.count }, () => [])
  }

  get localAddress(): SocketAddress {
    return this.inner.localAddress
  }

  get capabilities(): UdpCapabilities {
    return this.inner.capabilities
  }

  get counters(): UdpCounters {
    return this.inner.counters
  }

  get congested(): boolean {
    return this.inner.congested
  }

  get buffer(): Uint8Array {
    return this.inner.buffer
  }

  /** Queues datagrams that reached other shards. */
  deliver(strays: ReadonlyArray<Stray>): void {
    for (const { bytes, from, to, ecn } of strays)
      this.arrived.push(bytes, this.remotes.intern(from.host, from.port), to, ecn)
  }

  onReadable(wake: () => void): void {
    this.arrived.onReadable(wake)
    this.inner.onReadable(wake)
  }

  onRefused(listener: Parameters<UdpSocket["onRefused"]>[0]): void {
    this.inner.onRefused(listener)
  }

  drain(max: number, handle: (datagram: ReceivedDatagram) => void): number {
    const taken = this.arrived.drain(max, handle)
    this.handle = handle
    const read = this.inner.drain(max - taken, this.sort)
    if (this.hasStrays) this.sendStrays()
    return taken + read
  }

  send(
    buffer: Uint8Array,
    start: number,
    end: number,
    to: SocketAddress,
    ecn: EcnCodepoint,
    from?: SocketAddress
  ): void {
    this.inner.send(buffer, start, end, to, ecn, from)
  }

  reserve(maxBytes: number): number {
    return this.inner.reserve(maxBytes)
  }

  commit(end: number, to: SocketAddress, ecn: EcnCodepoint, from?: SocketAddress): void {
    this.inner.commit(end, to, ecn, from)
  }

  flush(): void {
    this.inner.flush()
  }

  private readonly sort = (datagram: ReceivedDatagram): void => {
    const { index, count } = this.shard
    const owner = shardOfPacket(datagram.bytes, count)
    if (owner === undefined || owner === index) return this.handle(datagram)
    this.hasStrays = true
    const { bytes, from, to, ecn } = datagram
    this.leaving[owner].push({ bytes: bytes.slice(), from, to, ecn })
  }

  private sendStrays(): void {
    this.hasStrays = false
    for (let shard = 0; shard < this.leaving.length; shard++)
      if (this.leaving[shard].length > 0) this.passOn(shard, this.leaving[shard].splice(0))
  }
}
