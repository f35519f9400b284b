/**
 * A socket for each address of the machine, and one for all others, as if they were one socket: where the system does
 * not tell what address a datagram was sent to, the socket it arrives at does.
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
  /** Takes what is sent to addresses that none of the others has. */
  private readonly rest: UdpSocket
  private readonly byHost = new Map<string, UdpSocket>()
  private readonly tally: Tally
  /** Whether a datagram that came to none of the known addresses is to wait until another is known. */
  private readonly isPremature: () => boolean
  private all: ReadonlyArray<UdpSocket>
  /** Which of them is asked first for datagrams, in turn. */
  private first = 0
  private isRung = false
  private wakeOwner = noWake
  private refused = noListener

  constructor(rest: UdpSocket, isPremature: () => boolean) {
    this.localAddress = rest.localAddress
    this.capabilities = rest.capabilities
    this.rest = rest
    this.all = [rest]
    this.isPremature = isPremature
    this.counters = this.tally = new Tally(() => this.all)
  }

  get hosts(): ReadonlyArray<string> {
    return [...this.byHost.keys()]
  }

  has(host: string): boolean {
    return this.byHost.has(host)
  }

  /** `host` is an address of the machine from now on, and `socket` is bound to it. */
  add(host: string, socket: UdpSocket): void {
    this.byHost.set(host, socket)
    this.all = [this.rest, ...this.byHost.values()]
    socket.onRefused(this.refused)
    socket.onReadable(this.ring)
  }

  /** The machine has that address no longer. */
  remove(host: string): void {
    const socket = this.byHost.get(host)
    if (socket === undefined) return
    this.tally.keep(socket.counters)
    this.byHost.delete(host)
    this.all = [this.rest, ...this.byHost.values()]
    this.updateCongested()
  }

  onReadable(wake: () => void): void {
    this.wakeOwner = wake
    this.isRung = false
    for (const socket of this.all) socket.onReadable(this.ring)
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
      taken += socket === this.rest ? this.drainRest(max - taken, handle) : socket.drain(max - taken, handle)
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
    const socket = from === undefined ? undefined : this.byHost.get(from.host)
    ;(socket ?? this.rest).send(buffer, start, end, to, ecn)
  }

  flush(): void {
    for (const socket of this.all) socket.flush()
    this.updateCongested()
  }

  /** An answer to a datagram that is premature might leave from another address than it was sent to: it is dropped. */
  private drainRest(max: number, handle: (datagram: ReceivedDatagram) => void): number {
    return this.rest.drain(max, (datagram) => {
      if (this.isPremature()) this.tally.premature++
      else handle(datagram)
    })
  }

  private updateCongested(): void {
    this.congested = this.all.some((socket) => socket.congested)
  }

  /** One of them calls: the owner, who has all of them drained when it is woken, need not hear of the others. */
  private readonly ring = (): void => {
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

/** What all of them counted, those that are closed included. */
class Tally implements UdpCounters {
  premature = 0
  private readonly live: () => ReadonlyArray<UdpSocket>
  private readonly past: Record<Count, number> = {
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

  keep(counters: UdpCounters): void {
    for (const count of counted) this.past[count] += counters[count]
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
    return this.live().reduce((sum, { counters }) => sum + counters[count], this.past[count])
  }
}
