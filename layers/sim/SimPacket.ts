/** Packets of the simulated network, and the interfaces of links and nodes. */
import type { EcnCodepoint } from "../../src/capability/UdpPort.ts"
import type { SocketAddress } from "../../src/wire/SocketAddress.ts"

/**
 * ICMP message of a router that a packet was too large: Packet Too Big, or Fragmentation Needed.
 *
 * @category models
 * @since 0.1.0
 */
export interface PacketTooBig {
  /** Source of the oversized packet, as seen at the current position of this message. */
  readonly from: SocketAddress
  /** Destination of the oversized packet, likewise. */
  readonly to: SocketAddress
  /** The MTU of the next link, including headers. */
  readonly mtu: number
}

/**
 * A UDP datagram, a segment of a stream, or an ICMP message, in the simulated network.
 *
 * @category models
 * @since 0.1.0
 */
export interface SimPacket {
  /** Source. */
  readonly from: SocketAddress
  /** Destination. */
  readonly to: SocketAddress
  /** Exclusively owned: links may corrupt it and receivers may keep it. */
  readonly bytes: Uint8Array
  /** ECN bits. */
  readonly ecn: EcnCodepoint
  /** Dropped instead of fragmented if too large. */
  readonly dontFragment: boolean
  /** Remaining hops. */
  readonly ttl: number
  /** The sending node, for observers: not part of the packet and unaffected by address translation. */
  readonly origin: string
  /** Whether it is a segment of a stream, as TCP's, instead of a datagram. */
  readonly isSegment?: boolean
  /** Set for an ICMP message instead of a datagram; `bytes` is empty and the ports are meaningless. */
  readonly icmp?: PacketTooBig
}

/** Whether a router may mark it CE: it is ECN-capable and not marked yet. RFC 3168 §5 */
export const canBeMarked = (packet: SimPacket): boolean => packet.ecn === 1 || packet.ecn === 2

/** A packet queued in front of a link; marking replaces it. */
export interface QueuedPacket {
  packet: SimPacket
  /** Size on the wire, bytes. */
  readonly size: number
  readonly sinceNanos: number
}

/** The usual initial TTL. */
export const initialTtl = 64

/** Size on the wire: IP and UDP headers and the payload. */
export const wireSize = (packet: SimPacket): number =>
  packet.bytes.length + (packet.to.family === 4 ? 28 : 48)

/**
 * One direction of a link, as seen by nodes.
 *
 * @category models
 * @since 0.1.0
 */
export interface SimEdge {
  /** In traces. */
  readonly name: string
  /** The far end. */
  readonly to: SimNode
  /** The address of the far end, if that is a host. */
  toAddress: string | undefined
  /** MTU, and how larger packets are handled. */
  readonly conditions: {
    /** Size of the largest packet it carries. */
    readonly mtu: number
    /** What becomes of larger ones. */
    readonly tooLarge: "drop" | "icmp"
  }
  /** Whether packets to this address end at the far end of this link. */
  leadsTo(address: string): boolean
  /** Returns false if the packet is too large and the link reports it. */
  carry(packet: SimPacket): boolean
}

/**
 * Anything a link can connect: a host, a router, a side of a NAT.
 *
 * @category models
 * @since 0.1.0
 */
export interface SimNode {
  /** Its name in partitions and traces. */
  readonly name: string
  /** The outgoing links. */
  readonly links: Array<SimEdge>
  /** Whether it forwards packets. */
  readonly isRouter: boolean
  /** Whether it accepts packets to addresses unknown on its side: the inside of a NAT. */
  readonly isGateway: boolean
  /** Whether it owns this address. */
  owns(address: string): boolean
  /** Takes a packet from a link. */
  receive(packet: SimPacket): void
}
