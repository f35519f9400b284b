/**
 * Presents one socket per address of the machine, and one for all others, as a single socket. Where the system does not
 * report the destination address of a datagram, the socket it arrives on determines it.
 */
import type {
  EcnCodepoint,
  ReceivedDatagram,
  UdpCapabilities,
  UdpCounters,
  UdpSocket
} from "../../src/capability/UdpPort.ts"
import type { SocketAddress } from "../../src/wire/SocketAddress.ts"

type RefusalListener = Parameters<UdpSocket["onRefused"]>[0]

const noWake = (): void => {}
const noListener: RefusalListener = () => {}

export class MultihomedSocket implements UdpSocket {
  readonly localAddress: SocketAddress
  readonly capabilities: UdpCapabilities
  readonly counters: UdpCounters
  congested = false
  /** Receives datagrams to addresses without their own socket. */
  private readonly wildcard: UdpSocket
  private readonly byHost = new Map<string, UdpSocket>()
  private readonly total: SummedCounters
  /** Whether to drop datagrams on the wildcard socket until their address is bound. */
  private readonly isPremature: () => boolean
  private all: ReadonlyArray<UdpSocket>
  /** In whose memory room is reserved, and where. */
  private reserved: UdpSocket
  private reservedAt = 0
  /** Index of the socket drained first; rotates. */
  private first = 0
  private isRung = false
  private wakeOwner = noWake
  private refused = noListener

  constructor(wildcard: UdpSocket, isPremature: () => boolean) {
    this.localAddress = wildcard.localAddress
    this.capabilities = wildcard.capabilities
    this.wildcard = wildcard
    this.reserved = wildcard
    this.all = [wildcard]
    this.isPremature = isPremature
    this.counters = this.total = new SummedCounters(() => this.all)
  }

  get hosts(): ReadonlyArray<string> {
    return [...this.byHost.keys()]
  }

  has(host: string): boolean {
    return this.byHost.has(host)
  }

  /** Adds `socket`, bound to the new address `host`. */
  add(host: string, socket: UdpSocket): void {
    this.byHost.set(host, socket)
    this.all = [this.wildcard, ...this.byHost.values()]
    socket.onRefused(this.refused)
    socket.onReadable(this.wakeOnce)
  }

  /** Removes an address the machine no longer has. */
  remove(host: string): void {
    const socket = this.byHost.get(host)
    if (socket === undefined) return
    this.total.addClosed(socket.counters)
    this.byHost.delete(host)
    if (this.reserved === socket) this.reserved = this.wildcard
    this.all = [this.wildcard, ...this.byHost.values()]
    this.updateCongested()
  }

  onReadable(wake: () => void): void {
    this.wakeOwner = wake
    this.isRung = false
    for (const socket of this.all) socket.onReadable(this.wakeOnce)
  }

  onRefused(listener: RefusalListener): void {
    this.refused = listener
    for (const socket of this.all) socket.onRefused(listener)
  }

  drain(max: number, handle: (datagram: ReceivedDatagram) => void): number {
    this.isRung = false
    const { all } = this
    this.first = (this.first + 1) % all.length
    let taken = 0
    for (let i = 0; i < all.length && taken < max; i++) {
      const socket = all[(this.first + i) % all.length]
      taken +=
        socket === this.wildcard ? this.drainWildcard(max - taken, handle) : socket.drain(max - taken, handle)
    }
    return taken
  }

  send(
    buffer: Uint8Array,
    start: number,
    end: number,
    to: SocketAddress,
    ecn: EcnCodepoint,
    from?: SocketAddress
  ): void {
    this.sender(from).send(buffer, start, end, to, ecn)
  }

  get buffer(): Uint8Array {
    return this.reserved.buffer
  }

  /** In the memory of the socket that sent last, as a burst has one source. */
  reserve(maxBytes: number): number {
    this.reservedAt = this.reserved.reserve(maxBytes)
    return this.reservedAt
  }

  commit(end: number, to: SocketAddress, ecn: EcnCodepoint, from?: SocketAddress): void {
    const socket = this.sender(from)
    if (socket === this.reserved) socket.commit(end, to, ecn)
    else socket.send(this.buffer, this.reservedAt, end, to, ecn)
    this.reserved = socket
  }

  flush(): void {
    for (const socket of this.all) socket.flush()
    this.updateCongested()
  }

  private sender(from: SocketAddress | undefined): UdpSocket {
    return (from && this.byHost.get(from.host)) ?? this.wildcard
  }

  /** Drops premature datagrams, as a reply might be sent from another address. */
  private drainWildcard(max: number, handle: (datagram: ReceivedDatagram) => void): number {
    return this.wildcard.drain(max, (datagram) => {
      if (this.isPremature()) this.total.premature++
      else handle(datagram)
    })
  }

  private updateCongested(): void {
    this.congested = this.all.some((socket) => socket.congested)
  }

  /** Called by any of the sockets; wakes the owner once, which then drains all. */
  private readonly wakeOnce = (): void => {
    this.updateCongested()
    if (this.isRung) return
    this.isRung = true
    this.wakeOwner()
  }
}

const counted = [
  "sent",
  "received",
  "receiveDropped",
  "sendDropped",
  "sendTooLarge",
  "sendErrors",
  "socketErrors"
] as const

type Count = (typeof counted)[number]

/** The sum of all sockets' counters, including closed ones. */
class SummedCounters implements UdpCounters {
  premature = 0
  private readonly live: () => ReadonlyArray<UdpSocket>
  private readonly closed: Record<Count, number> = {
    sent: 0,
    received: 0,
    receiveDropped: 0,
    sendDropped: 0,
    sendTooLarge: 0,
    sendErrors: 0,
    socketErrors: 0
  }

  constructor(live: () => ReadonlyArray<UdpSocket>) {
    this.live = live
  }

  addClosed(counters: UdpCounters): void {
    for (const count of counted) this.closed[count] += counters[count]
  }

  get sent(): number {
    return this.sum("sent")
  }

  get received(): number {
    return this.sum("received") - this.premature
  }

  get receiveDropped(): number {
    return this.sum("receiveDropped") + this.premature
  }

  get sendDropped(): number {
    return this.sum("sendDropped")
  }

  get sendTooLarge(): number {
    return this.sum("sendTooLarge")
  }

  get sendErrors(): number {
    return this.sum("sendErrors")
  }

  get socketErrors(): number {
    return this.sum("socketErrors")
  }

  get lastError(): string | undefined {
    return this.live().findLast(({ counters }) => counters.lastError !== undefined)?.counters.lastError
  }

  private sum(count: Count): number {
    return this.live().reduce((sum, { counters }) => sum + counters[count], this.closed[count])
  }
}
