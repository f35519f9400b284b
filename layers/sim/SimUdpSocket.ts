/** A socket on a simulated host. */
import type {
  EcnCodepoint,
  ReceivedDatagram,
  UdpBindOptions,
  UdpCapabilities,
  UdpSocket
} from "../../src/capability/UdpPort.ts"
import type { SocketAddress } from "../../src/wire/SocketAddress.ts"
import { isWildcard } from "../../src/wire/destination.ts"
import { Draft } from "../udp/Draft.ts"
import { familyOf } from "../udp/hostLiteral.ts"
import { defaultReceiveQueueLength, ReceiveQueue } from "../../src/actor/ReceiveQueue.ts"
import { RemoteAddresses } from "../udp/RemoteAddresses.ts"
import { UdpStatistics } from "../udp/UdpStatistics.ts"
import type { PacketTooBig, SimPacket } from "./SimPacket.ts"

const maxDatagramSize = 65_507
/** Datagrams queued while the host accepts none. */
const maxQueued = 1024

/** Datagrams are copied into pages, as a buffer for each takes longer to make than the copy. */
const pageBytes = 32_768
let page = new Uint8Array(0)
let pageUsed = 0

const copyOf = (buffer: Uint8Array, start: number, end: number): Uint8Array => {
  const length = end - start
  if (length > pageBytes / 8) return Uint8Array.prototype.slice.call(buffer, start, end)
  if (pageUsed + length > page.length) {
    page = new Uint8Array(pageBytes)
    pageUsed = 0
  }
  const copy = page.subarray(pageUsed, pageUsed + length)
  pageUsed += length
  copy.set(length === buffer.length ? buffer : buffer.subarray(start, end))
  return copy
}

/** The result of sending a datagram. */
export type Transmission = "sent" | "noRoute" | "tooLarge"

/** The host of a socket, as the socket sees it. */
export interface SocketHost {
  readonly name: string
  /** Whether sockets bound later can read and write the ECN bits. */
  readonly ecn: boolean
  /** Whether sockets bound later forbid fragmentation. */
  readonly dontFragment: boolean
  /** While false, the system accepts no datagrams: sockets queue them and are congested. */
  readonly acceptsDatagrams: boolean
  /** Sends a datagram of a socket, optionally from a given address of the host. */
  transmit(
    from: SimUdpSocket,
    source: string | undefined,
    bytes: Uint8Array,
    to: SocketAddress,
    ecn: EcnCodepoint
  ): Transmission
}

interface QueuedDatagram {
  readonly bytes: Uint8Array
  readonly to: SocketAddress
  readonly ecn: EcnCodepoint
  readonly from: SocketAddress | undefined
}

export class SimUdpSocket implements UdpSocket {
  readonly localAddress: SocketAddress
  readonly capabilities: UdpCapabilities
  readonly counters = new UdpStatistics()
  readonly acceptsAnyAddress: boolean
  readonly acceptsBothFamilies: boolean
  private readonly host: SocketHost
  private readonly queue: ReceiveQueue
  private readonly draft = new Draft()
  private readonly remotes = new RemoteAddresses()
  private readonly ownAddresses = new Map<string, SocketAddress>()
  private queued: Array<QueuedDatagram> = []
  private closed = false

  constructor(host: SocketHost, localAddress: SocketAddress, options: UdpBindOptions) {
    this.host = host
    this.localAddress = localAddress
    this.capabilities = { ecn: host.ecn, dontFragment: host.dontFragment, maxDatagramSize }
    this.acceptsAnyAddress = isWildcard(localAddress.host)
    this.acceptsBothFamilies = localAddress.host === "::" && options.ipv6Only !== true
    this.queue = new ReceiveQueue(options.receiveQueueLength ?? defaultReceiveQueueLength)
    this.ownAddresses.set(localAddress.host, localAddress)
  }

  get congested(): boolean {
    return this.queued.length > 0
  }

  onReadable(wake: () => void): void {
    this.queue.onReadable(wake)
  }

  drain(max: number, handle: (datagram: ReceivedDatagram) => void): number {
    return this.queue.drain(max, handle)
  }

  send(
    buffer: Uint8Array,
    start: number,
    end: number,
    to: SocketAddress,
    ecn: EcnCodepoint,
    from?: SocketAddress
  ): void {
    if (end - start > maxDatagramSize) {
      this.counters.sendTooLarge++
      return
    }
    if (this.closed || this.queued.length === maxQueued) {
      this.counters.sendDropped++
      return
    }
    if (to.port < 1 || to.port > 65_535 || !this.speaks(to.family)) {
      this.counters.refused(`no such destination for this socket: ${to.host} port ${to.port}`, to, true)
      return
    }
    const bytes = copyOf(buffer, start, end)
    if (this.host.acceptsDatagrams) this.transmit(bytes, to, ecn, from)
    else this.queued.push({ bytes, to, ecn, from })
  }

  /** Whether it can send to and receive from addresses of this family. */
  speaks(family: 4 | 6): boolean {
    return this.acceptsBothFamilies || family === this.localAddress.family
  }

  /** Whether datagrams to this address of its host are delivered to this socket. */
  takes({ family, host, port }: SocketAddress): boolean {
    const { localAddress } = this
    if (localAddress.port !== port) return false
    return localAddress.host === host || (this.acceptsAnyAddress && this.speaks(family))
  }

  get buffer(): Uint8Array {
    return this.draft.bytes
  }

  reserve(maxBytes: number): number {
    return this.draft.reserve(maxBytes)
  }

  commit(end: number, to: SocketAddress, ecn: EcnCodepoint, from?: SocketAddress): void {
    this.send(this.buffer, 0, end, to, ecn, from)
  }

  onRefused(listener: Parameters<UdpSocket["onRefused"]>[0]): void {
    this.counters.onRefused(listener)
  }

  flush(): void {}

  /** The interned source address of this socket when it sends from `host`. */
  addressFrom(host: string): SocketAddress {
    let address = this.ownAddresses.get(host)
    if (address === undefined) {
      address = { host, port: this.localAddress.port, family: familyOf(host) }
      this.ownAddresses.set(host, address)
    }
    return address
  }

  deliver(packet: SimPacket): void {
    const from = this.remotes.intern(packet.from.host, packet.from.port)
    if (
      this.queue.push(
        packet.bytes,
        from,
        this.addressFrom(packet.to.host),
        this.capabilities.ecn ? packet.ecn : 0
      )
    ) {
      this.counters.received++
    } else {
      this.counters.receiveDropped++
    }
  }

  /** The host accepts datagrams again. */
  release(): void {
    if (this.queued.length === 0) return
    const queued = this.queued
    this.queued = []
    for (const { bytes, to, ecn, from } of queued) this.transmit(bytes, to, ecn, from)
    this.queue.wake()
  }

  close(): void {
    this.closed = true
    this.queued = []
    this.queue.close()
  }

  /** A router reported that a datagram of this socket was too large. */
  onTooBig({ to, mtu }: PacketTooBig): void {
    this.counters.socketErrors++
    this.counters.lastError = `message too long: the path MTU to ${to.host} is ${mtu} bytes (EMSGSIZE)`
  }

  private transmit(
    bytes: Uint8Array,
    to: SocketAddress,
    ecn: EcnCodepoint,
    from: SocketAddress | undefined
  ): void {
    const source = this.acceptsAnyAddress ? from?.host : this.localAddress.host
    switch (this.host.transmit(this, source, bytes, to, this.capabilities.ecn ? ecn : 0)) {
      case "sent":
        this.counters.sent++
        return
      case "tooLarge":
        this.counters.sendTooLarge++
        return
      case "noRoute":
        this.counters.refused(`no route from ${this.host.name} to ${to.host}`, to, true)
    }
  }
}
