import type { RandomBytes } from "../internal/RandomBytes.ts"
import { AddressScope, addressScope } from "../wire/addressScope.ts"
import { sameAddress, type SocketAddress } from "../wire/SocketAddress.ts"
import { type Candidate, candidateOf, namedKind } from "./candidates.ts"
import { predictPorts, spreadPorts } from "./PortPrediction.ts"
import { type ProbeScope, scopeRefusal } from "./probeScope.ts"

/** Peer-reflexive addresses that are kept: the peer has few, and each costs it a datagram only. */
const MAX_REFLEXIVE = 8
/** Ports of a peer's NAT that are tried in a round although nobody has named them. */
const SPREAD_BUDGET = 64
/** A spread that is less likely to hit is a port scan and no more. */
const LEAST_PROBABILITY = 0.02
const MAX_TRIED = 4096
/** Fewer ports of one address show no pattern. */
const LEAST_PORTS = 3

/**
 * Where the peer may be, as far as it says and we see. Bounded, and only what may be probed.
 *
 * A server's addresses are known by number and stay until they are withdrawn; a client's are those of a round.
 */
export class RemoteCandidates {
  /** How many addresses of the peer were not taken: out of scope, or too many. */
  refused = 0
  /** When the peer has last probed us. */
  probedMicros = Number.NEGATIVE_INFINITY
  private readonly max: number
  private readonly scope: () => ProbeScope
  private readonly byNumber = new Map<number, SocketAddress>()
  private reachedFor: Array<SocketAddress> = []
  private reflexive: Array<SocketAddress> = []
  /** Ports at which chance has been tried, by host. */
  private readonly tried = new Map<string, Set<number>>()

  constructor(max: number, scope: () => ProbeScope) {
    this.max = max
    this.scope = scope
  }

  /** False if nothing changes. */
  advertise(seq: number, address: SocketAddress): boolean {
    if (!this.isTaken(address, this.byNumber.size)) return false
    this.byNumber.set(seq, address)
    return true
  }

  /** The address that is of no use any more, if any. */
  withdraw(seq: number): SocketAddress | undefined {
    const address = this.byNumber.get(seq)
    this.byNumber.delete(seq)
    return address
  }

  /** Another round of the peer's: names its addresses anew. */
  startRound(): void {
    this.reachedFor = []
  }

  reachOut(address: SocketAddress): boolean {
    if (this.reachedFor.some((other) => sameAddress(other, address))) return false
    if (!this.isTaken(address, this.reachedFor.length)) return false
    this.reachedFor.push(address)
    return true
  }

  /** The peer sends from there: the last ones are kept. */
  sendsFrom(address: SocketAddress, nowMicros: number): boolean {
    this.probedMicros = nowMicros
    if (!this.isTaken(address, 0)) return false
    const others = this.reflexive.filter((other) => !sameAddress(other, address))
    const isNew = others.length === this.reflexive.length
    this.reflexive = [address, ...others].slice(0, MAX_REFLEXIVE)
    return isNew
  }

  /** What was seen before is of no use after a change of networks. */
  forgetReflexive(): void {
    this.reflexive = []
  }

  /** The best first, as far as the peer names them so. */
  get all(): ReadonlyArray<Candidate> {
    const reflexive = this.reflexive.map((address, i) => candidateOf("peerReflexive", address, i))
    return [...reflexive, ...this.named.map((address, i) => candidateOf(namedKind(address), address, i))]
  }

  get count(): number {
    return this.byNumber.size + this.reachedFor.length + this.reflexive.length
  }

  /**
   * Ports that nobody has named: of a peer that is seen at several random ports of one address, if those come from a
   * range small enough. A mapping lasts from round to round, so that none is tried twice.
   */
  guesses(random: RandomBytes): ReadonlyArray<Candidate> {
    const seen = [...this.reflexive, ...this.named].filter(
      (address) => addressScope(address) === AddressScope.global
    )
    // each seen by an observer of its own, as far as we know
    const observations = seen.map((mapped, i) => ({
      observer: { host: `#${i}`, port: 0, family: mapped.family },
      mapped,
      socket: 0,
      atMicros: i
    }))
    return predictPorts(observations, 0, 0).flatMap((prediction) => {
      const { pattern, host, family, observers } = prediction
      if (pattern !== "random" || observers < LEAST_PORTS) return []
      const tried = this.tried.get(host) ?? new Set()
      const { ports, hitProbability } = spreadPorts(prediction, SPREAD_BUDGET, random, tried)
      if (hitProbability < LEAST_PROBABILITY || tried.size >= MAX_TRIED) return []
      for (const port of ports) tried.add(port)
      if (this.tried.size < this.max) this.tried.set(host, tried)
      return ports.map((port, i) => candidateOf("predicted", { host, port, family }, i))
    })
  }

  private get named(): ReadonlyArray<SocketAddress> {
    return [...this.byNumber.values(), ...this.reachedFor]
  }

  private isTaken(address: SocketAddress, count: number): boolean {
    const isTaken = count < this.max && scopeRefusal(address, this.scope()) === undefined
    if (!isTaken) this.refused++
    return isTaken
  }
}
