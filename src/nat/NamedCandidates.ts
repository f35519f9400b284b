import { formatAddress, type SocketAddress } from "../wire/SocketAddress.ts"
import type { LocalCandidate } from "./CandidatePairs.ts"
import type { OwnAddresses } from "./CandidateSource.ts"
import { type Candidate, candidateOf, type GatheringOptions, ownCandidates } from "./candidates.ts"

const nothing: OwnAddresses = { hosts: [], observations: [], isGathering: true }

/** What this side names to the peer, and the sockets it sends from. */
export class NamedCandidates {
  /** When the first address that others see became known; infinite before. */
  reflexiveSinceMicros = Number.POSITIVE_INFINITY
  private readonly options: Omit<GatheringOptions, "maxCandidates">
  private addresses = nothing
  private candidates: ReadonlyArray<Candidate> = []

  constructor(options: NamedCandidates["options"]) {
    this.options = options
  }

  /** False if the candidates are the same as before. */
  update(addresses: OwnAddresses, maxCandidates: number, nowMicros: number): boolean {
    const before = new Set(this.named.map(formatAddress))
    this.addresses = addresses
    if (addresses.observations.length > 0)
      this.reflexiveSinceMicros = Math.min(this.reflexiveSinceMicros, nowMicros)
    this.candidates = ownCandidates(addresses, { ...this.options, maxCandidates }, nowMicros)
    const after = this.named.map(formatAddress)
    return after.length !== before.size || after.some((text) => !before.has(text))
  }

  get isGathering(): boolean {
    return this.addresses.isGathering
  }

  /** The best first. */
  get named(): ReadonlyArray<SocketAddress> {
    return this.candidates.map(({ address }) => address)
  }

  /** The peer is told which ports come next, so that none should be wasted. */
  get isPredicted(): boolean {
    return this.candidates.some(({ kind }) => kind === "predicted")
  }

  /** One for each socket and family: what is sent from there has the address that is preferred. RFC 8445 §6.1.2.4 */
  get sockets(): ReadonlyArray<LocalCandidate> {
    const { hosts, observations } = this.addresses
    const all = [
      ...hosts.map(({ address, socket }, i) => ({ ...candidateOf("host", address, i), socket })),
      ...observations.map(({ mapped, socket }, i) => ({
        ...candidateOf("serverReflexive", mapped, i),
        socket
      }))
    ]
    const isFirst = (one: LocalCandidate, i: number) =>
      i ===
      all.findIndex(({ socket, address }) => socket === one.socket && address.family === one.address.family)
    return all.filter(isFirst)
  }
}
