/** Addresses at which a peer may be reached, and which of them are likelier to work. RFC 8445 §5.1 */
import { AddressScope, addressScope } from "../wire/addressScope.ts"
import { formatAddress, type SocketAddress } from "../wire/SocketAddress.ts"
import type { Observation, OwnAddresses } from "./CandidateSource.ts"
import { predictPorts } from "./PortPrediction.ts"

/**
 * How an address was learned.
 *
 * **Details**
 *
 * `host`: it is of an interface; `serverReflexive`: a bootstrap node sees it; `peerReflexive`: the peer sees it, and nobody
 * has named it; `predicted`: the NAT is expected to use it next; `relay`: a relay forwards what is sent to it.
 *
 * @category models
 * @since 0.1.0
 */
export type CandidateKind =
  /** it is of an interface of the host */
  | "host"
  /** a remote sees it as the source of the host's packets */
  | "serverReflexive"
  /** the peer sees it so, and nobody has named it */
  | "peerReflexive"
  /** the NAT is expected to use it next */
  | "predicted"
  /** a relay forwards what is sent to it */
  | "relay"

export interface Candidate {
  readonly kind: CandidateKind
  readonly address: SocketAddress
  /** 1 to 2³¹ − 1, the highest best. RFC 8445 §5.1.2.1 */
  readonly priority: number
}

/** RFC 8445 §5.1.2.2 recommends those that it knows. A predicted one is a guess, but a relay is the last resort. */
const typePreferences: { readonly [Kind in CandidateKind]: number } = {
  host: 126,
  peerReflexive: 110,
  serverReflexive: 100,
  predicted: 50,
  relay: 0
}

/** QUIC has one component. */
const COMPONENT = 1
const MAX_LOCAL_PREFERENCE = 0xffff

/** `localPreference`, 0 to 65,535, tells candidates of one kind apart. RFC 8445 §5.1.2.1 */
export const candidatePriority = (kind: CandidateKind, localPreference: number): number =>
  2 ** 24 * typePreferences[kind] + 2 ** 8 * localPreference + (256 - COMPONENT)

/** The candidate at `place` in the order of preference among its kind, from 0; `confidence`, 0 to 1, weighs more. */
export const candidateOf = (
  kind: CandidateKind,
  address: SocketAddress,
  place = 0,
  confidence = 1
): Candidate => ({
  kind,
  address,
  priority: candidatePriority(kind, Math.max(0, Math.round(MAX_LOCAL_PREFERENCE * confidence) - place))
})

/** The least and the most candidates that may be configured, and the default. */
export const candidateLimits = { least: 1, most: 256, byDefault: 8 } as const

/** Without repetitions, of which the best stays; the best first, at most `max`. RFC 8445 §5.1.3 */
export const rankCandidates = (all: Iterable<Candidate>, max: number): ReadonlyArray<Candidate> => {
  const best = new Map<string, Candidate>()
  for (const candidate of all) {
    const key = formatAddress(candidate.address)
    const other = best.get(key)
    if (other === undefined || other.priority < candidate.priority) best.set(key, candidate)
  }
  return [...best.values()].sort((a, b) => b.priority - a.priority).slice(0, max)
}

/** What decides about our own candidates. */
export interface GatheringOptions {
  readonly maxCandidates: number
  readonly predictsPorts: boolean
  /** Addresses that must not be named: those that mean nothing to others. */
  readonly isSecret: (address: SocketAddress) => boolean
}

/** As many ports are predicted, if there is room: one for each address that the peer may have, and some for others' traffic. */
const PREDICTED_PORTS = 12

/** Our own candidates, the best first. Loopback and link-local addresses are none of a peer's business. RFC 8445 §5.1.1.1 */
export const ownCandidates = (
  { hosts, observations }: Pick<OwnAddresses, "hosts" | "observations">,
  { maxCandidates, predictsPorts, isSecret }: GatheringOptions,
  nowMicros: number
): ReadonlyArray<Candidate> => {
  const candidates: Array<Candidate> = []
  const add = (candidate: Candidate) => {
    const { address } = candidate
    const isNamed = addressScope(address) >= AddressScope.site && !isSecret(address)
    if (isNamed && address.port !== 0) candidates.push(candidate)
  }
  for (const [place, { address }] of hosts.entries()) add(candidateOf("host", address, place))
  const predictions = predictPorts(observations, nowMicros, predictsPorts ? PREDICTED_PORTS : 0)
  const isCounting = (host: string) =>
    predictions.some((each) => each.host === host && each.pattern === "sequential")
  const seen = new Set<string>()
  for (const [place, { mapped }] of latestFirst(observations).entries()) {
    // a port that was given to one observer is of use to others if the NAT does not filter: one will do
    const isEnough = seen.has(mapped.host) && isCounting(mapped.host)
    if (!isEnough) add(candidateOf("serverReflexive", mapped, place))
    seen.add(mapped.host)
  }
  for (const { host, family, ports, confidence } of predictions)
    for (const [place, port] of ports.entries())
      add(candidateOf("predicted", { host, port, family }, place, confidence))
  return withRoomForPredictions(candidates, maxCandidates)
}

const latestFirst = (all: ReadonlyArray<Observation>): ReadonlyArray<Observation> =>
  [...all].sort((a, b) => b.atMicros - a.atMicros)

/** Behind a NAT that gives each remote another port, the ports seen so far are of use to those who saw them only. */
const withRoomForPredictions = (all: ReadonlyArray<Candidate>, max: number): ReadonlyArray<Candidate> => {
  const predicted = rankCandidates(
    all.filter(({ kind }) => kind === "predicted"),
    Math.floor(max / 2)
  )
  const others = rankCandidates(
    all.filter(({ kind }) => kind !== "predicted"),
    max - predicted.length
  )
  const ranked = rankCandidates([...others, ...predicted], max)
  // what the others have left free
  return ranked.length < max ? rankCandidates([...ranked, ...all], max) : ranked
}

/**
 * The kind of a candidate that a peer has named: it does not say, but it names the best first. A private address is its
 * own, of a public one nobody knows.
 */
export const namedKind = (address: SocketAddress): CandidateKind =>
  addressScope(address) === AddressScope.global ? "serverReflexive" : "host"
