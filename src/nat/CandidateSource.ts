/** What an endpoint knows of its own addresses: the raw material of candidates, shared by all its connections. */
import type { SocketNumber } from "../path/Route.ts"
import type { SocketAddress } from "../wire/SocketAddress.ts"

/** An address of an interface, with the port of a socket of ours that receives there. */
export interface HostAddress {
  readonly address: SocketAddress
  readonly socket: SocketNumber
}

/** What somebody saw as the address of one of our sockets. draft-ietf-quic-address-discovery */
export interface Observation {
  /** Who said so: several that differ show how a NAT chooses ports. */
  readonly observer: SocketAddress
  readonly mapped: SocketAddress
  readonly socket: SocketNumber
  /** When the first datagram went to the observer, which is when the NAT chose the port. */
  readonly atMicros: number
}

export interface OwnAddresses {
  /** The preferred first. */
  readonly hosts: ReadonlyArray<HostAddress>
  /** At most one of each observer and socket: the latest. */
  readonly observations: ReadonlyArray<Observation>
  /** More is expected in a moment: the interfaces are not known yet, or an observer was asked and has not answered. */
  readonly isGathering: boolean
}

/** Keeps them up to date: interfaces change, NATs forget, observers come and go. */
export interface CandidateSource {
  readonly current: OwnAddresses
  /** Calls `onChange` after each change, until the returned function is called. It must be cheap and must not throw. */
  watch(onChange: () => void): () => void
  /** The addresses were offered to a peer: another coordination that the observers had a part in. */
  countCoordination(): void
}
