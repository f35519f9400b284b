/** What `doctor` makes of what it has measured: what kind of NAT there is, and what that means for connections. */
import { printable } from "../internal/printable.ts"
import { formatAddress, sameAddress, type SocketAddress } from "../wire/SocketAddress.ts"
import { formatMillis } from "./units.ts"

/** What one node, asked over one address family, said of this machine's socket. */
export interface Observation {
  readonly node: string
  readonly family: 4 | 6
  /** Why it did not answer; undefined if it did. */
  readonly problem?: string
  /** The address of the node that answered. */
  readonly remote?: SocketAddress
  /** Where it sees this machine's packets come from. */
  readonly observed?: SocketAddress
  readonly rttMillis?: number
  /** Largest UDP payload that arrived there and was acknowledged. */
  readonly datagramBytes?: number
}

export interface RelayReach {
  readonly url: string
  readonly problem?: string
  readonly rttMillis?: number
}

export interface Measured {
  /** The port all nodes were asked from. */
  readonly port: number
  /** Addresses of this machine that others could reach, without loopback and link-local ones. */
  readonly local: ReadonlyArray<SocketAddress>
  readonly observations: ReadonlyArray<Observation>
  readonly relays: ReadonlyArray<RelayReach>
}

/**
 * How addresses are translated on the way out. RFC 4787 §4.1
 *
 * - `none`: what others see is an address of this machine
 * - `easy`: one outside address and port for all destinations, which others can be told of
 * - `hard`: another port for each destination (a "symmetric" NAT), which others have to guess
 * - `some`: there is one, but fewer than two nodes have answered
 * - `unknown`: nobody has answered
 */
export type NatKind = "none" | "easy" | "hard" | "some" | "unknown"

const distinct = (addresses: ReadonlyArray<SocketAddress>): ReadonlyArray<SocketAddress> =>
  addresses.filter((address, i) => addresses.findIndex((other) => sameAddress(address, other)) === i)

/** Of nodes on this machine, which see it as it is. */
const isLoopback = ({ host }: SocketAddress): boolean => host === "::1" || host.startsWith("127.")

/** One node that is asked twice tells nothing about what a NAT does for another destination. */
const destinationsOf = (observations: ReadonlyArray<Observation>): number =>
  distinct(observations.flatMap(({ remote }) => remote ?? [])).length

export const natKind = ({ local, observations }: Measured, family: 4 | 6): NatKind => {
  const answers = observations.filter(
    ({ family: asked, observed }) => asked === family && observed !== undefined
  )
  const seen = distinct(answers.flatMap(({ observed }) => observed ?? []))
  if (seen.length === 0) return "unknown"
  if (seen.every((address) => isLoopback(address) || local.some((own) => sameAddress(own, address))))
    return "none"
  if (seen.length > 1) return "hard"
  return destinationsOf(answers) > 1 ? "easy" : "some"
}

/** Whether the ports that were seen grow as a NAT's do that hands them out in order; what others can guess. */
export const portsInOrder = ({ observations }: Measured): boolean => {
  const ports = observations.flatMap(({ family, observed }) =>
    family === 4 && observed !== undefined ? [observed.port] : []
  )
  return (
    ports.length > 1 &&
    ports.every((port, i) => i === 0 || (port > ports[i - 1] && port - ports[i - 1] <= 16))
  )
}

const meaning: Record<NatKind, string> = {
  none: "No NAT: others reach this machine directly, if no firewall keeps them out.",
  easy: "An easy NAT: others see the same address whoever they are, so direct connections work with anybody but those behind the hardest NATs.",
  hard: "A hard (symmetric) NAT: every destination sees another port. Direct connections work with peers that have none or an easy one; others take a relay.",
  some: "A NAT whose kind two nodes would tell: name another with --bootstrap.",
  unknown: ""
}

const pathMeaning = (bytes: number): string =>
  bytes >= 1440
    ? `datagrams of ${bytes} bytes pass, as on any Ethernet`
    : `datagrams of ${bytes} bytes pass at most: a tunnel, or a link with a small MTU, is on the way`

export interface Finding {
  readonly level: "good" | "warning" | "bad"
  readonly text: string
}

const natFinding = (measured: Measured): ReadonlyArray<Finding> => {
  const kind = natKind(measured, 4)
  if (kind === "unknown") return []
  const order =
    kind === "hard" && portsInOrder(measured)
      ? " Its ports are handed out in order, so that they can be guessed."
      : ""
  return [{ level: kind === "hard" ? "warning" : "good", text: meaning[kind] + order }]
}

const ipv6Finding = (measured: Measured): Finding => {
  const kind = natKind(measured, 6)
  if (kind === "none") return { level: "good", text: "IPv6 works, without a NAT." }
  if (kind !== "unknown") return { level: "warning", text: "IPv6 works, behind a NAT, which is unusual." }
  if (measured.local.every(({ family }) => family === 4))
    return { level: "warning", text: "No IPv6: this machine has no address that others could reach." }
  return measured.observations.some(({ family }) => family === 6)
    ? { level: "warning", text: "This machine has an IPv6 address, but no node was reached over it." }
    : { level: "good", text: "This machine has an IPv6 address; no node was asked over it." }
}

const udpFinding = ({ observations, relays }: Measured): Finding | undefined => {
  if (observations.length === 0)
    return { level: "warning", text: "No node was asked what it sees: name one with --bootstrap or --relay." }
  if (observations.some(({ problem }) => problem === undefined))
    return { level: "good", text: "UDP gets out." }
  return relays.some(({ problem }) => problem === undefined)
    ? {
        level: "bad",
        text: "UDP does not get out, while the relay is reached: a firewall blocks it. Connections take the relay."
      }
    : { level: "bad", text: "No node answers over UDP: it is blocked, or none of them is there." }
}

const relayFinding = ({ url, rttMillis, problem }: RelayReach): Finding =>
  problem === undefined
    ? {
        level: "good",
        text: `The relay ${printable(url)} is reached${rttMillis === undefined ? "" : `, RTT ${formatMillis(rttMillis)}`}.`
      }
    : { level: "bad", text: `The relay ${printable(url)} is not reached: ${printable(problem)}` }

/** In the order somebody would ask. */
export const findings = (measured: Measured): ReadonlyArray<Finding> => {
  const udp = udpFinding(measured)
  const sizes = measured.observations.flatMap(({ datagramBytes }) => datagramBytes ?? [])
  const size = Math.min(...sizes)
  return [
    ...(udp === undefined ? [] : [udp]),
    ...natFinding(measured),
    ipv6Finding(measured),
    ...(sizes.length === 0
      ? []
      : [{ level: size >= 1440 ? "good" : "warning", text: `Path MTU: ${pathMeaning(size)}.` } as const]),
    ...measured.relays.map(relayFinding)
  ]
}

/** What one node said, on one line. */
export const describeObservation = ({
  datagramBytes,
  family,
  node,
  observed,
  problem,
  rttMillis
}: Observation): string => {
  const over = `${printable(node)} over IPv${family}`
  if (problem !== undefined) return `${over}: ${printable(problem)}`
  const seen = observed === undefined ? "does not say what it sees" : `sees ${formatAddress(observed)}`
  const rtt = rttMillis === undefined ? "" : `, RTT ${formatMillis(rttMillis)}`
  return `${over}: ${seen}${rtt}${datagramBytes === undefined ? "" : `, datagrams of ${datagramBytes} bytes`}`
}

/** Whether there is something that keeps connections from being made at all. */
export const isBad = (measured: Measured): boolean => findings(measured).some(({ level }) => level === "bad")
