import { type SocketAddress, sameAddress } from "../wire/SocketAddress.ts"
import { AntiAmplification } from "./AntiAmplification.ts"
import type { MigrationReason } from "./migrationReason.ts"
import { PathValidator } from "./PathValidator.ts"
import type { RouteCandidate } from "./RouteCandidate.ts"
import type { PeerConnectionId } from "./PeerConnectionIds.ts"

/** The endpoint's number for a local socket, or for one address of a wildcard socket; opaque to the core. */
export type SocketNumber = number

/** Time is never negative. */
export const NEVER_OBSERVED = -1

/**
 * A local socket and a remote address. A path of single-path QUIC uses one route at a time and can migrate to another.
 * RFC 9000 §9
 */
export class Route {
  readonly remote: SocketAddress
  readonly socket: SocketNumber
  readonly validator = new PathValidator()
  readonly amplification: AntiAmplification
  /** The destination ID of packets on this route. RFC 9000 §9.5 */
  destinationId: PeerConnectionId
  /**
   * The least room in which a datagram is started. Routes other than the first only send short headers, and three times
   * the smallest PING is enough for a challenge.
   */
  leastBytes = 64
  /** Validated: by the handshake, or by a response to a challenge. */
  isProven = false
  /** Why the connection moves to it: from the request to its end. */
  moveReason: MigrationReason | undefined = undefined
  /** It is probed for a move to it. */
  candidate: RouteCandidate | undefined = undefined
  /** When the peer was first seen on it since it was last the current one; `NEVER_OBSERVED` before that. */
  observedAtMicros = NEVER_OBSERVED
  /** The sequence number of our ID that the peer last used on it; -1 for none. */
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
