import { type SocketAddress, sameAddress } from "../wire/SocketAddress.ts"
import { AntiAmplification } from "./AntiAmplification.ts"
import { PathValidator } from "./PathValidator.ts"
import type { PeerConnectionId } from "./PeerConnectionIds.ts"

/** The number the endpoint gives a local socket, or one address of a socket that is bound to any; nothing more to the core. */
export type SocketNumber = number

/**
 * One way to the peer: a socket of ours and an address of the peer's. A path of single-path QUIC uses one route and can
 * move to another. RFC 9000 §9
 */
export class Route {
  readonly remote: SocketAddress
  readonly socket: SocketNumber
  readonly validator = new PathValidator()
  readonly amplification: AntiAmplification
  /** The connection ID that packets sent along it are addressed to. RFC 9000 §9.5 */
  destinationId: PeerConnectionId
  /**
   * The least room in which a datagram is begun. Only short headers leave by a route that came later, and from three
   * times the smallest PING a challenge can be made.
   */
  leastBytes = 64
  /** The peer has answered over it: in the handshake, or a challenge. */
  isProven = false
  /** The connection moves to it as soon as it is proven. */
  isWanted = false
  /** The sequence number of our ID that the peer last used on it; -1 before it did. */
  localSequence = -1

  constructor(
    remote: SocketAddress,
    socket: SocketNumber,
    addressValidated: boolean,
    destinationId: PeerConnectionId
  ) {
    this.remote = remote
    this.socket = socket
    this.amplification = new AntiAmplification(addressValidated) // RFC 9000 §9.3 #2, §9.6.3 #2
    this.destinationId = destinationId
  }

  is(remote: SocketAddress, socket: SocketNumber): boolean {
    return this.socket === socket && sameAddress(this.remote, remote)
  }

  onDatagramReceived(size: number): void {
    this.amplification.onReceived(size)
  }

  onDatagramSent(size: number): void {
    this.amplification.onSent(size)
    this.validator.onDatagramSent(size)
  }
}
