/** What happens to the network while 100 MB pass, and how it shows that it did. */
import * as Effect from "effect/Effect"
import type { Seen } from "../interop/Peer.ts"
import type { Command } from "./OurProcesses.ts"
import type { Network } from "./Network.ts"

/** 100 MB, and the name of the file that they are in. */
export const bulkBytes = 100_000_000
export const bulkName = "bulk"

export interface Change {
  /** When the transfer has come this far, bytes. */
  readonly at: number
  readonly apply: (network: Network) => void
  /** What our side is told. */
  readonly tells?: Command
}

/** What there is to look at when all has arrived. */
export interface Aftermath {
  readonly network: Network
  /** What our side says of its connection. */
  readonly seen: Seen
  /** Where the NAT had the client. */
  readonly ports: ReadonlySet<string>
}

export type ScenarioName =
  | "addresses"
  | "rebindings"
  | "key updates"
  | "interface down"
  | "smaller MTU"
  | "false MTU"
  | "two paths"

export interface Scenario {
  readonly name: ScenarioName
  /** The client is behind a NAT. */
  readonly nat: boolean
  readonly changes: ReadonlyArray<Change>
  /** Whether the server hears of it by what the client sends next: one that only waits may have nothing to send. */
  readonly needsSender: boolean
  /** Both sides allow more than one path. */
  readonly multipath?: boolean
  /** How often our side asks for new keys. */
  readonly keyUpdateMillis?: number
  /** What has happened, in a few words; fails with what has not. */
  readonly evidence: (aftermath: Aftermath) => Effect.Effect<string, string>
}

/** As many times, at equal distances. */
const spread = (count: number, apply: Change["apply"]): ReadonlyArray<Change> =>
  Array.from({ length: count }, (_, i) => ({ at: ((i + 1) * bulkBytes) / (count + 1), apply }))

const holds = (condition: boolean, evidence: string, otherwise: string): Effect.Effect<string, string> =>
  condition ? Effect.succeed(evidence) : Effect.fail(otherwise)

/** Nobody tells our client that its address is gone. Somebody else's says nothing of its moves. */
const hasMovedItself = (
  { seen: { automaticMoves } }: Aftermath,
  change: string
): Effect.Effect<string, string> =>
  automaticMoves === undefined
    ? Effect.succeed(change)
    : holds(
        automaticMoves > 0,
        `${change}; moved by itself, times: ${automaticMoves}`,
        "the client has not moved by itself"
      )

const addresses: Scenario = {
  name: "addresses",
  needsSender: true,
  nat: false,
  changes: spread(3, (network) => network.changeAddress()),
  evidence: (aftermath) => hasMovedItself(aftermath, "three other addresses of the client's")
}

const rebindings: Scenario = {
  name: "rebindings",
  needsSender: true,
  nat: true,
  changes: spread(5, (network) => network.forgetBindings()),
  evidence: ({ ports }) =>
    holds(ports.size === 6, "six ports of a NAT", `the NAT gave the client ${ports.size} ports, not six`)
}

const keyUpdates: Scenario = {
  name: "key updates",
  needsSender: false,
  nat: false,
  changes: [],
  keyUpdateMillis: 1_000,
  evidence: ({ seen: { keyUpdates = 0 } }) =>
    holds(keyUpdates > 1, `${keyUpdates} key updates`, `there were ${keyUpdates} key updates`)
}

const interfaceDown: Scenario = {
  name: "interface down",
  needsSender: true,
  nat: false,
  changes: spread(1, (network) => network.takeDown()),
  evidence: (aftermath) => hasMovedItself(aftermath, "an interface down, another left")
}

const mtu: Scenario = {
  name: "smaller MTU",
  needsSender: false,
  nat: false,
  changes: spread(1, (network) => network.shrinkMtu(1_280)),
  evidence: ({ network }) =>
    holds(network.swallowed > 0, `${network.swallowed} packets too large`, "no packet was too large")
}

/** Each link carries 200 Mbit/s. */
const twoPaths: Scenario = {
  name: "two paths",
  needsSender: false,
  nat: false,
  multipath: true,
  changes: [
    { at: bulkBytes * 0.1, apply: (network) => network.routeBySource(), tells: "open-path" },
    { at: bulkBytes * 0.6, apply: (network) => network.silence() }
  ],
  evidence: ({ seen: { paths = 0 } }) =>
    holds(paths > 1, "two paths, of which the first fell silent", "only one path carried data")
}

/** PTB spoofing below 1200: CVE-2024-53259. RFC 9000 §14.2.1 */
const falseMtu: Scenario = {
  name: "false MTU",
  needsSender: false,
  nat: false,
  changes: spread(1, (network) => network.claimMtu(600)),
  evidence: ({ network: { believedMtu } }) =>
    holds(believedMtu === 600, "a system believes in an MTU of 600", `it believes in ${believedMtu}`)
}

export const scenarios: ReadonlyArray<Scenario> = [
  addresses,
  rebindings,
  keyUpdates,
  interfaceDown,
  mtu,
  falseMtu,
  twoPaths
]
