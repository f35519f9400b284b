/**
 * The sockets of one endpoint, and the numbers by which routes refer to our addresses. A socket bound to one address
 * has one number; a wildcard socket has one for itself and one for each address that received a datagram: replies have
 * to come from that address, or the peer would not recognise them.
 */
import type { SocketNumber } from "../path/Route.ts"
import type { EcnCodepoint, ReceivedDatagram, UdpSocket } from "../capability/UdpPort.ts"
import type { SocketAddress } from "../wire/SocketAddress.ts"

/** Whole prefixes can belong to one machine; beyond this many addresses the system chooses the source address. */
const MAX_ADDRESSES = 1024

/** One local address. */
export interface Place {
  readonly number: SocketNumber
  readonly socket: UdpSocket
  /** The number of the socket itself. */
  readonly socketNumber: SocketNumber
  /** Undefined: the bound address, or the system's choice. */
  readonly from: SocketAddress | undefined
}

/**
 * `socket` numbers the address the datagram was sent to, `boundSocket` the socket; they differ on wildcard sockets
 * only.
 */
export type HandleArrival = (
  bytes: Uint8Array,
  from: SocketAddress,
  ecn: EcnCodepoint,
  socket: SocketNumber,
  boundSocket: SocketNumber
) => void

/** A socket and the local addresses that received datagrams. */
interface BoundSocket {
  readonly socket: UdpSocket
  readonly byHost: Map<string, SocketNumber>
  readonly onDatagram: (datagram: ReceivedDatagram) => void
}

export class SocketTable {
  /** The socket of new connections. */
  main: Place
  /** The socket of those that go through a relay, if there are relays. */
  relayed: Place | undefined = undefined
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

  /** The place with that number; the main one if its socket is closed. */
  at(number: SocketNumber): Place {
    return this.places.get(number) ?? this.main
  }

  /** Where a new connection to `remote` begins. */
  placeFor(remote: SocketAddress): Place {
    return remote.relayed === undefined ? this.main : (this.relayed ?? this.main)
  }

  /** Reads at most `max` datagrams of each socket; returns the number read from the busiest. */
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
