/** The kinds of the matrix in the simulator: two hosts behind NATs, a public host, and a router between. */
import * as Effect from "effect/Effect"
import type { Role } from "../../src/wire/Role.ts"
import { type NatBehaviour, natKinds } from "../../layers/sim/natBehaviour.ts"
import type { SimConnection } from "../../layers/sim/SimConnection.ts"
import type { SimHost } from "../../layers/sim/SimHost.ts"
import { SimNetwork } from "../../layers/sim/SimNetwork.ts"
import type { SimNat } from "../../layers/sim/SimNat.ts"
import type { SimNode } from "../../layers/sim/SimPacket.ts"
import type { Kind } from "./matrix.ts"

/** Of the public host: the relay is at the first, bootstrap nodes are at the others. */
export const publicAddresses = ["203.0.113.10", "203.0.113.11", "203.0.113.12"] as const

const behaviours: Readonly<Record<Exclude<Kind, "none">, NatBehaviour>> = {
  "full-cone": natKinds.fullCone,
  "address-restricted": natKinds.addressRestricted,
  "port-restricted": natKinds.portRestricted,
  "symmetric-sequential": natKinds.symmetric,
  "symmetric-random": natKinds.symmetricRandom,
  "udp-blocked": natKinds.portRestricted
}

export interface Site {
  readonly host: SimHost
  readonly nat: SimNat | undefined
  readonly line: SimConnection
}

export interface NatWorldOptions {
  /** Deviations of the NATs from their kind. */
  readonly changes?: Partial<NatBehaviour>
  /** Of each host's line, one way. Default 10 ms. */
  readonly delayMillis?: number
  /** Of each host's line, each way. Default 0. */
  readonly lossRate?: number
  /** Of each host's line. Default unlimited. */
  readonly bitsPerSecond?: number
}

/** Hosts of the given kinds, named `client` and `server`, their lines likewise, and the host `public`. */
export const natWorld = Effect.fnUntraced(function* (
  kinds: Readonly<Record<Role, Kind>>,
  { changes, delayMillis = 10, lossRate = 0, bitsPerSecond }: NatWorldOptions = {}
) {
  const network = yield* SimNetwork
  const core = network.router("core")
  const open = network.host("public", ...publicAddresses)
  for (const from of publicAddresses)
    network.connect(open, core, { from, delayMillis: 5, name: `public ${from}` })
  const site = (role: Role, number: number): Site => {
    const kind = kinds[role]
    const line = {
      delayMillis,
      lossRate,
      name: role,
      ...(bitsPerSecond === undefined ? {} : { bitsPerSecond })
    }
    if (kind === "none") {
      const host = network.host(role, `198.51.100.${number}`)
      return { host, nat: undefined, line: network.connect(host, core, line) }
    }
    const nat = network.nat(`${role}-nat`, `203.0.113.${number}`, { ...behaviours[kind], ...changes })
    const host = network.host(role, `192.168.${number}.2`)
    let inside: SimNode = nat.inside
    if (kind === "udp-blocked") {
      inside = network.router(`${role}-firewall`)
      const { forward, backward } = network.connect(inside, nat.inside)
      for (const link of [forward, backward]) link.dropIf = ({ isSegment }) => isSegment !== true
    }
    network.connect(host, inside)
    return { host, nat, line: network.connect(nat.outside, core, line) }
  }
  return { network, public: open, client: site("client", 1), server: site("server", 2) }
})

const isPublic = (host: string): boolean => publicAddresses.some((address) => address === host)

/** From now on UDP between the sites is dropped, at both lines; returns what ends it. */
export const cutDirect = (...sites: ReadonlyArray<Site>): (() => void) => {
  const links = sites.flatMap(({ line }) => [line.forward, line.backward])
  for (const link of links)
    link.dropIf = ({ from, to, isSegment }) =>
      isSegment !== true && !isPublic(from.host) && !isPublic(to.host)
  return () => {
    for (const link of links) link.dropIf = undefined
  }
}

/** The site is in somebody else's network from now on: other addresses inside and outside, and nothing known there. */
export const moveSite = ({ host, nat }: Site, number: number): void => {
  const [address] = host.addresses
  host.changeAddress(address, address.replace(/\d+$/, String(100 + number)))
  nat?.rebind(`203.0.113.${100 + number}`)
}
