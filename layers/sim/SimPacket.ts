/** What moves through a simulated network, and what it moves between. */
import type { EcnCodepoint } from "../../src/capability/UdpPort.ts"
import type { SocketAddress } from "../../src/wire/SocketAddress.ts"

/** A router's word that a packet was too large for the next link: Packet Too Big, or Fragmentation Needed. */
export interface PacketTooBig {
  /** Where the packet that was too large came from and went to, as seen where this message is. */
  readonly from: SocketAddress
  readonly to: SocketAddress
  /** What would have fitted, headers included. */
  readonly mtu: number
}

export interface SimPacket {
  readonly from: SocketAddress
  readonly to: SocketAddress
  /** Nobody else's: the link may corrupt it, the receiver may keep it. */
  readonly bytes: Uint8Array
  readonly ecn: EcnCodepoint
  /** Dropped rather than fragmented where it does not fit. */
  readonly dontFragment: boolean
  /** How many routers it may still pass. */
  readonly ttl: number
  /** The node that sent it, for those who look on: no part of the packet, and no address translation changes it. */
  readonly origin: string
  /** An ICMP message in place of a datagram: `bytes` is empty, and the ports say nothing. */
  readonly icmp?: PacketTooBig
}

/** Whether a router may set CE on it: it says it understands, and is not marked yet. RFC 3168 §5 */
export const canBeMarked = (packet: SimPacket): boolean => packet.ecn === 1 || packet.ecn === 2

/** A packet waiting in front of a link; marking it replaces it. */
export interface QueuedPacket {
  packet: SimPacket
  /** On the wire, bytes. */
  readonly size: number
  readonly sinceNanos: number
}

/** What systems begin with. */
export const initialTtl = 64

/** Size on the wire: IP and UDP headers and the payload. */
export const wireSize = (packet: SimPacket): number =>
  packet.bytes.length + (packet.to.family === 4 ? 28 : 48)

/** One direction of a link, as nodes see it. */
export interface SimEdge {
  readonly name: string
  readonly to: SimNode
  /** The address of the far end that this link is connected to, if that is a host. */
  toAddress: string | undefined
  /** The largest packet it takes, and what becomes of a larger one. */
  readonly conditions: { readonly mtu: number; readonly tooLarge: "drop" | "icmp" }
  /** Whether what is sent to this address arrives where this link ends. */
  leadsTo(address: string): boolean
  /** Returns false when the packet is too large and the link says so. */
  carry(packet: SimPacket): boolean
}

/** Anything a link can join: a host, a router, a side of a NAT. */
export interface SimNode {
  /** What partitions and traces call it. */
  readonly name: string
  /** The links that lead away from here. */
  readonly links: Array<SimEdge>
  /** Whether packets find their way on through it, rather than end here. */
  readonly isRouter: boolean
  /** Whether it takes what is for addresses nobody here owns: the inside of a NAT. */
  readonly isGateway: boolean
  /** Whether packets to this address end here. */
  owns(address: string): boolean
  receive(packet: SimPacket): void
}
