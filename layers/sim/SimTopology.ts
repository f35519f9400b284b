/** Declarative network topologies, whose parts are accessible by name once built. */
import * as Effect from "effect/Effect"
import { type NatBehaviour, natKinds } from "./natBehaviour.ts"
import { SeededRandom } from "./SeededRandom.ts"
import { checkFields, checkOneOf, SimConfigError } from "./simConfig.ts"
import type { SimConnection } from "./SimConnection.ts"
import type { SimHost } from "./SimHost.ts"
import type { SimNat } from "./SimNat.ts"
import { type ConnectOptions, Network, SimNetwork } from "./SimNetwork.ts"
import type { SimNode } from "./SimPacket.ts"
import type { SimRouter } from "./SimRouter.ts"
import { Timeline } from "./Timeline.ts"

/**
 * The IP address or addresses of a host.
 *
 * @category models
 * @since 0.1.0
 */
export type HostDefinition = string | ReadonlyArray<string>

/**
 * A router of a topology.
 *
 * @category models
 * @since 0.1.0
 */
export interface RouterDefinition<LinkName extends string = string> {
  /** Source addresses of its ICMP messages. */
  readonly addresses?: ReadonlyArray<string>
  /** The link for packets to each prefix, null to drop them; see `SimRouter.addRoute`. */
  readonly routes?: Readonly<Record<string, LinkName | null>>
}

/**
 * A kind of NAT, default `portRestricted`, and deviations from it.
 *
 * @category models
 * @since 0.1.0
 */
export interface NatDefinition extends Partial<NatBehaviour> {
  /** One of `natKinds`. Default `portRestricted`. */
  readonly kind?: keyof typeof natKinds
  /** The outside address or addresses. */
  readonly outside: string | ReadonlyArray<string>
}

/**
 * Connects two nodes; a NAT has two sides, such as `home.inside` and `home.outside`.
 *
 * @category models
 * @since 0.1.0
 */
export type LinkDefinition<NodeName extends string = string> = readonly [
  from: NodeName,
  to: NodeName,
  options?: Omit<ConnectOptions, "name">
]

/**
 * What a link can lead to: a host, a router, or a side of a NAT.
 *
 * @category models
 * @since 0.1.0
 */
export type NodeName<HostName extends string, RouterName extends string, NatName extends string> =
  | HostName
  | RouterName
  | `${NatName}.inside`
  | `${NatName}.outside`

/**
 * A network as plain data, representable as JSON. Names are unique among nodes and among links.
 *
 * @category models
 * @since 0.1.0
 */
export interface TopologyDefinition<
  HostName extends string = string,
  RouterName extends string = string,
  NatName extends string = string,
  LinkName extends string = string
> {
  /** Hosts by name. */
  readonly hosts: Readonly<Record<HostName, HostDefinition>>
  /** Routers by name. Default none. */
  readonly routers?: Readonly<Record<RouterName, RouterDefinition<NoInfer<LinkName>>>>
  /** NATs by name. Default none. */
  readonly nats?: Readonly<Record<NatName, NatDefinition>>
  /** Links by name. */
  readonly links: Readonly<Record<LinkName, LinkDefinition<NoInfer<NodeName<HostName, RouterName, NatName>>>>>
}

/**
 * The parts of a built topology, by name.
 *
 * @category models
 * @since 0.1.0
 */
export interface BuiltTopology<
  HostName extends string,
  RouterName extends string,
  NatName extends string,
  LinkName extends string
> {
  /** The network it is part of. */
  readonly network: Network
  /** Hosts by name. */
  readonly hosts: Readonly<Record<HostName, SimHost>>
  /** Routers by name. */
  readonly routers: Readonly<Record<RouterName, SimRouter>>
  /** NATs by name. */
  readonly nats: Readonly<Record<NatName, SimNat>>
  /** Connections by name. */
  readonly links: Readonly<Record<LinkName, SimConnection>>
}

/**
 * A topology that has been checked.
 *
 * @category models
 * @since 0.1.0
 */
export interface SimTopology<
  HostName extends string,
  RouterName extends string,
  NatName extends string,
  LinkName extends string
> {
  /** What it was made from. */
  readonly definition: TopologyDefinition<HostName, RouterName, NatName, LinkName>
  /** Builds it in the network of the simulation. */
  readonly build: Effect.Effect<BuiltTopology<HostName, RouterName, NatName, LinkName>, never, SimNetwork>
}

/**
 * Checks a topology. Throws `SimConfigError`, which names the field, if it is invalid.
 *
 * **Example** (A laptop behind a symmetric NAT)
 *
 * ```ts
 * import { Effect } from "effect"
 * import { SimTopology } from "effect-quic/layers/sim"
 *
 * const topology = SimTopology.make({
 *   hosts: { laptop: "192.168.1.2", server: "198.51.100.1" },
 *   routers: { core: {} },
 *   nats: { home: { outside: "203.0.113.1", kind: "symmetric" } },
 *   links: {
 *     wifi: ["laptop", "home.inside", { delayMillis: 3, lossRate: 0.01 }],
 *     line: ["home.outside", "core", { bitsPerSecond: 10e6, backward: { bitsPerSecond: 100e6 } }],
 *     uplink: ["server", "core"]
 *   }
 * })
 *
 * const program = Effect.gen(function* () {
 *   const { hosts, nats, links } = yield* topology.build
 *   links.wifi.set({ lossRate: 0.2 })
 *   nats.home.rebind()
 *   return hosts.laptop.addresses
 * })
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = <
  const HostName extends string,
  const LinkName extends string,
  const RouterName extends string = never,
  const NatName extends string = never
>(
  definition: TopologyDefinition<HostName, RouterName, NatName, LinkName>
): SimTopology<HostName, RouterName, NatName, LinkName> => {
  build(new Network(new Timeline(), new SeededRandom("a rehearsal")), definition)
  return { definition, build: Effect.map(SimNetwork, (network) => build(network, definition)) }
}

const build = <
  HostName extends string,
  RouterName extends string,
  NatName extends string,
  LinkName extends string
>(
  network: Network,
  definition: TopologyDefinition<HostName, RouterName, NatName, LinkName>
): BuiltTopology<HostName, RouterName, NatName, LinkName> => {
  checkFields("topology", definition, ["hosts", "routers", "nats", "links"])
  const routerDefinitions = definition.routers ?? ({} as Record<RouterName, RouterDefinition>)
  const natDefinitions = definition.nats ?? ({} as Record<NatName, NatDefinition>)
  const nodes = new Map<string, SimNode>()

  const hosts = mapRecord(definition.hosts, (addresses, name) => {
    const host = network.host(name, ...(typeof addresses === "string" ? [addresses] : addresses))
    nodes.set(name, host)
    return host
  })
  const routers = mapRecord(routerDefinitions, (router, name) => {
    checkFields(`routers.${name}`, router, ["addresses", "routes"])
    const built = network.router(name, ...(router.addresses ?? []))
    nodes.set(name, built)
    return built
  })
  const nats = mapRecord(natDefinitions, ({ kind = "portRestricted", outside, ...differences }, name) => {
    checkOneOf(`nats.${name}.kind`, kind, Object.keys(natKinds))
    const nat = network.nat(name, outside, { ...natKinds[kind], ...differences })
    nodes.set(`${name}.inside`, nat.inside)
    nodes.set(`${name}.outside`, nat.outside)
    return nat
  })
  const nodeAt = (field: string, name: string): SimNode => {
    const node = nodes.get(name)
    if (node === undefined) throw new SimConfigError(field, `names no node: ${name}`)
    return node
  }
  const links = mapRecord(definition.links, ([from, to, options], name) =>
    network.connect(nodeAt(`links.${name}[0]`, from), nodeAt(`links.${name}[1]`, to), { ...options, name })
  )
  const linkFrom = (router: SimRouter, field: string, name: LinkName) => {
    const { forward, backward } = links[name] ?? {}
    const link = [forward, backward].find((each) => each?.from === router)
    if (link === undefined) throw new SimConfigError(field, `names no link of the router: ${name}`)
    return link
  }
  mapRecord(routerDefinitions, ({ routes = {} }, name) => {
    for (const [prefix, link] of Object.entries(routes)) {
      const way =
        link === null ? undefined : linkFrom(routers[name], `routers.${name}.routes`, link as LinkName)
      routers[name].addRoute(prefix, way)
    }
  })
  return { network, hosts, routers, nats, links }
}

const mapRecord = <Name extends string, A, B>(
  record: Readonly<Record<Name, A>>,
  change: (value: A, name: Name) => B
): Record<Name, B> => {
  const result = {} as Record<Name, B>
  for (const name of Object.keys(record) as Array<Name>) result[name] = change(record[name], name)
  return result
}
