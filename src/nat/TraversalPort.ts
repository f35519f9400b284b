/** Between a connection and what finds direct paths for it: neither knows the other's insides. */
import type { SocketNumber } from "../path/Route.ts"
import type { Role } from "../wire/Role.ts"
import type { SocketAddress } from "../wire/SocketAddress.ts"

/** What a traversal may ask of its connection. All calls but `role` and `maxCandidates` do nothing once it is closed. */
export interface TraversalPort {
  readonly role: Role
  /**
   * How many candidates a server may have advertised at a time, as its client says; of a client, how many REACH_OUT frames
   * it may send in a round. 0 until the extension is negotiated, and for good if the peer does not have it.
   */
  readonly maxCandidates: number
  /** server: ADD_ADDRESS. Returns its sequence number; undefined when `maxCandidates` are advertised already. */
  advertise(address: SocketAddress): number | undefined
  /** server: REMOVE_ADDRESS of what `advertise` returned. */
  withdraw(seq: number): void
  /**
   * client: REACH_OUT for each address, as far as `maxCandidates` admits. A round above the last one ends that: its unsent
   * frames and its probes, so that it comes before the probes of the new one. A round below the last one is not sent.
   */
  reachOut(round: number, addresses: ReadonlyArray<SocketAddress>): void
  /**
   * Challenges the peer at `remote` from one of our sockets, off-path: up to nine times, at growing intervals, until it is
   * answered, given up after at most 30 s, or a new round begins; of a round that begins the listener is not told. Charged
   * to the probe budget, which may refuse: that counts as failed. A probe of the same pair under way goes on.
   */
  probe(remote: SocketAddress, socket: SocketNumber, nowMicros: number): void
  /** Ends all probes; the listener hears nothing of them. */
  cancelProbes(): void
}

/** What a connection tells its traversal, outside of any call of the port. Addresses are as the peer says: claims. */
export interface TraversalListener {
  /** client: ADD_ADDRESS. */
  onAddressAdvertised(seq: number, address: SocketAddress): void
  /** client: REMOVE_ADDRESS of one that was advertised. */
  onAddressWithdrawn(seq: number): void
  /** server: REACH_OUT, of a round not below the last. */
  onReachOut(round: number, address: SocketAddress): void
  onProbeAnswered(remote: SocketAddress, socket: SocketNumber, rttMicros: number): void
  onProbeFailed(remote: SocketAddress, socket: SocketNumber): void
  /** The peer has challenged us off-path from there: its peer-reflexive address. */
  onPeerProbe(remote: SocketAddress, socket: SocketNumber): void
  /** OBSERVED_ADDRESS: what the peer sees as our address when we send from that socket. */
  onObservedAddress(address: SocketAddress, socket: SocketNumber): void
}
