/**
 * The sockets of one endpoint, and the numbers that routes know our addresses by. A socket bound to one address has one;
 * one that takes what is sent to any address of the machine has a number for itself, and another for each address
 * it was asked at: answers leave from there, since anywhere else they are a stranger's to who asked.
 */
import type { SocketNumber } from "../path/Route.ts"
import type { EcnCodepoint, ReceivedDatagram, UdpSocket } from "../capability/UdpPort.ts"
import type { SocketAddress } from "../wire/SocketAddress.ts"

/** Whole prefixes can belong to one machine; beyond so many addresses the system chooses which to answer from. */
const MAX_ADDRESSES = 1024

/** One of our addresses. */
export interface Place {
  readonly number: SocketNumber
  readonly socket: UdpSocket
  /** The number of the socket itself. */
  readonly socketNumber: SocketNumber
  /** Undefined: the one the socket is bound to, or the system's choice. */
  readonly from: SocketAddress | undefined
}

/** `socket` numbers the address the datagram was sent to, `boundSocket` the socket it came by; the same unless that takes any address. */
export type HandleArrival = (
  bytes: Uint8Array,
  from: SocketAddress,
  ecn: EcnCodepoint,
  socket: SocketNumber,
  boundSocket: SocketNumber
) => void

/** A socket, and what it was asked at. */
interface BoundSocket {
  readonly socket: UdpSocket
  readonly byHost: Map<string, SocketNumber>
  readonly onDatagram: (datagram: ReceivedDatagram) => void
}

export class SocketTable {
  /** The one that new connections leave by. */
  main: Place
  private readonly places = new Map<SocketNumber, Place>()
  private readonly bound = new Map<SocketNumber, BoundSocket>()
  private readonly handle: HandleArrival
  private nextNumber = 0

  constructor(main: UdpSocket, handle: HandleArrival) {
    this.handle = handle
    this.main = this.add(main)
  }

  add(socket: UdpSocket): Place {
    const place = this.newPlace(socket, undefined, undefined)
    const { number } = place
    const byHost = new Map<string, SocketNumber>()
    const onDatagram = ({ bytes, from, to, ecn }: ReceivedDatagram) => {
      const isOwn = to === undefined || to === socket.localAddress
      this.handle(bytes, from, ecn, isOwn ? number : this.numberOf(place, byHost, to), number)
    }
    this.bound.set(number, { socket, byHost, onDatagram })
    return place
  }

  remove(socketNumber: SocketNumber): void {
    for (const number of this.bound.get(socketNumber)?.byHost.values() ?? []) this.places.delete(number)
    this.places.delete(socketNumber)
    this.bound.delete(socketNumber)
  }

  clear(): void {
    this.places.clear()
    this.bound.clear()
  }

  get count(): number {
    return this.bound.size
  }

  /** What has that number; a closed socket's place is taken by the present one. */
  at(number: SocketNumber): Place {
    return this.places.get(number) ?? this.main
  }

  /** Takes at most `max` datagrams of each; returns how many came by the busiest. */
  drain(max: number): number {
    let most = 0
    for (const { socket, onDatagram } of this.bound.values())
      most = Math.max(most, socket.drain(max, onDatagram))
    return most
  }

  flush(): void {
    for (const { socket } of this.bound.values()) socket.flush()
  }

  private numberOf(socket: Place, byHost: Map<string, SocketNumber>, to: SocketAddress): SocketNumber {
    const known = byHost.get(to.host)
    if (known !== undefined) return known
    if (byHost.size >= MAX_ADDRESSES) return socket.number
    const { number } = this.newPlace(socket.socket, socket.number, to)
    byHost.set(to.host, number)
    return number
  }

  private newPlace(socket: UdpSocket, of: SocketNumber | undefined, from: SocketAddress | undefined): Place {
    const number = this.nextNumber++
    const place: Place = { number, socket, socketNumber: of ?? number, from }
    this.places.set(number, place)
    return place
  }
}
