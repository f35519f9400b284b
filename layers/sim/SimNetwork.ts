/**
 * An in-memory network of hosts and routers connected by links. All packets are events on one timeline, and all
 * randomness derives from one seed.
 *
 * **Example** (Two hosts)
 *
 * ```ts
 * import { Effect } from "effect"
 * import { SimNetwork } from "effect-quic/layers/sim"
 *
 * const hosts = Effect.gen(function* () {
 *   const network = yield* SimNetwork
 *   const client = network.host("client", "10.0.0.1")
 *   const server = network.host("server", "10.0.0.2")
 *   network.connect(client, server, { delayMillis: 25, lossRate: 0.01 })
 *   return { client, server }
 * })
 * ```
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import { familyOf } from "../udp/hostLiteral.ts"
import { Faults } from "./Faults.ts"
import { checkFault, checkSchedule, type FaultNames, type FaultSchedule } from "./FaultSchedule.ts"
import { checkAddress } from "./IpPrefix.ts"
import { changed } from "./linkConditions.ts"
import { type NatBehaviour, natKinds } from "./natBehaviour.ts"
import { PacketTrace } from "./PacketTrace.ts"
import { Partitions } from "./Partitions.ts"
import { Routing } from "./Routing.ts"
import type { SeededRandom } from "./SeededRandom.ts"
import { SimConfigError } from "./simConfig.ts"
import { SimConnection } from "./SimConnection.ts"
import { SimHost } from "./SimHost.ts"
import { type LinkConditions, type LinkModel, perfectLink, SimLink } from "./SimLink.ts"
import { SimNat } from "./SimNat.ts"
import type { SimNode } from "./SimPacket.ts"
import { SimRouter } from "./SimRouter.ts"
import type { Timeline } from "./Timeline.ts"

export { SimConnection } from "./SimConnection.ts"

/**
 * How two nodes are connected: link conditions and host addresses.
 *
 * @category options
 * @since 0.1.0
 */
export interface ConnectOptions extends Partial<LinkConditions> {
  /** The name in fault schedules. Default: the names of the nodes, joined by a hyphen. */
  readonly name?: string
  /** Conditions of the reverse direction that differ. Default none. */
  readonly backward?: Partial<LinkConditions>
  /** The address of the first node, if it is a host. Default its first. */
  readonly from?: string
  /** The address of the second node, if it is a host. Default its first. */
  readonly to?: string
  /** Between two hosts: use as the default route. Links to routers always are. */
  readonly isDefaultRoute?: boolean
}

interface End {
  readonly node: SimNode
  readonly address: string | undefined
}

/**
 * The simulated network: adds nodes, connects them and applies faults. Invalid values throw `SimConfigError`.
 *
 * @category models
 * @since 0.1.0
 */
export class Network {
  /** The packets so far. */
  readonly trace: PacketTrace
  private readonly timeline: Timeline
  private readonly random: SeededRandom
  private readonly partitions = new Partitions()
  private readonly routing = new Routing()
  private readonly nodes = new Map<string, SimNode>()
  private readonly hosts = new Map<string, SimHost>()
  private readonly crashes = new Map<SimHost, number>()
  private readonly nats = new Map<string, SimNat>()
  private readonly connections = new Map<string, SimConnection>()

  private readonly names: FaultNames = {
    has: (kind, name) =>
      ({ node: this.nodes, link: this.connections, host: this.hosts, nat: this.nats })[kind].has(name),
    outsideAddresses: (nat) => this.nats.get(nat)!.outsideAddresses
  }

  /** @internal */
  constructor(timeline: Timeline, random: SeededRandom) {
    this.timeline = timeline
    this.random = random
    this.trace = new PacketTrace(timeline)
  }

  /** Pending events in virtual time: packets in flight and sleeps. */
  get pendingEvents(): number {
    return this.timeline.pending
  }

  /** Adds a host with at least one IP address. */
  host(name: string, ...addresses: ReadonlyArray<string>): SimHost {
    if (addresses.length === 0) throw new SimConfigError(`host ${name}`, "requires an IP address")
    const random = this.random.fork(`host ${name}`)
    const host = this.add(new SimHost(name, addresses, this.timeline, this.trace, random, this.routing))
    this.hosts.set(name, host)
    this.routing.hosts.set(name, host)
    return host
  }

  /**
   * Adds a router. It routes by its configured routes, else by shortest path. Its addresses, if any, are the source of its
   * ICMP messages.
   */
  router(name: string, ...addresses: ReadonlyArray<string>): SimRouter {
    for (const address of addresses) checkAddress(`router ${name}`, address)
    return this.add(new SimRouter(name, addresses, this.routing, this.trace))
  }

  /**
   * Adds a NAT with at least one outside address. Connect the private network to `inside` and `outside` to the rest. NATs
   * can be nested. IPv6 is translated too, and requires an outside IPv6 address.
   */
  nat(
    name: string,
    outside: string | ReadonlyArray<string>,
    behaviour: NatBehaviour = natKinds.portRestricted
  ): SimNat {
    const addresses = typeof outside === "string" ? [outside] : outside
    const random = this.random.fork(`nat ${name}`)
    const nat = new SimNat(name, addresses, behaviour, this.timeline, random, this.routing, this.trace)
    this.add(nat.outside)
    this.nats.set(name, nat)
    return nat
  }

  /**
   * Connects two nodes, each host with one of its addresses. Other addresses of a host require their own connections, which
   * may lead to the same node.
   */
  connect(first: SimNode, second: SimNode, options: ConnectOptions = {}): SimConnection {
    const { name, backward: back = {}, from, to, isDefaultRoute = false, ...changes } = options
    const a = endOf(first, from)
    const b = endOf(second, to)
    if (a.address !== undefined && b.address !== undefined && familyOf(a.address) !== familyOf(b.address)) {
      throw new SimConfigError(
        "connect",
        `cannot connect ${a.address} and ${b.address}, which are of different address families`
      )
    }
    const unique = this.nameOf(name, `${first.name}-${second.name}`)
    const model = changed(perfectLink, changes, unique)
    const forward = this.link(a, b, model)
    const backward = this.link(b, a, changed(model, back, `${unique}.backward`))
    route(a, b, forward, isDefaultRoute)
    route(b, a, backward, isDefaultRoute)
    this.routing.changed()
    const connection = new SimConnection(unique, forward, backward)
    this.connections.set(unique, connection)
    return connection
  }

  /**
   * Partitions nodes (hosts, routers and NATs, by name): packets sent by a host are dropped where they would enter a node of
   * another group. With `oneWay`, only packets from the first group to the second are dropped. Returns the function that
   * heals it.
   */
  partition(groups: ReadonlyArray<ReadonlyArray<string>>, oneWay = false): () => void {
    checkFault("partition", { kind: "partition", groups, oneWay }, this.names)
    const heals = groups.flatMap((from, i) =>
      groups.flatMap((to, j) => (i === j || (oneWay && i > j) ? [] : [this.partitions.cut(from, to)]))
    )
    return () => {
      for (const heal of heals) heal()
    }
  }

  /** Starts a fault schedule now. Throws `SimConfigError` if it refers to unknown names. */
  apply(schedule: FaultSchedule): Faults {
    checkSchedule(schedule, this.names)
    return new Faults(schedule, {
      timeline: this.timeline,
      crashes: this.crashes,
      host: (name) => this.hosts.get(name)!,
      nat: (name) => this.nats.get(name)!,
      connection: (name) => this.connections.get(name)!,
      partition: (groups, oneWay) => this.partition(groups, oneWay)
    })
  }

  /**
   * Routes packets a host sends to itself through a link from now on. Its name in fault schedules is `name`, by default the
   * host's name and `loopback`.
   */
  loopback(
    host: SimHost,
    { name, ...changes }: Partial<LinkConditions> & { readonly name?: string } = {}
  ): SimConnection {
    const unique = this.nameOf(name, `${host.name} loopback`)
    const random = this.random.fork(`link ${unique}`)
    const { partitions, timeline, trace } = this
    const around = { partitions, timeline, trace }
    const model = changed(perfectLink, changes, unique)
    const link = new SimLink(unique, host, host, undefined, model, random, around)
    host.loopback = link
    const connection = new SimConnection(unique, link, link)
    this.connections.set(unique, connection)
    return connection
  }

  private nameOf(wanted: string | undefined, fallback: string): string {
    if (wanted === undefined) {
      let name = fallback
      for (let i = 2; this.connections.has(name); i++) name = `${fallback} ${i}`
      return name
    }
    if (this.connections.has(wanted)) throw new SimConfigError("connect.name", `${wanted} is already in use`)
    return wanted
  }

  private add<Node extends SimNode>(node: Node): Node {
    if (this.nodes.has(node.name)) throw new SimConfigError(node.name, "is already the name of another node")
    this.nodes.set(node.name, node)
    return node
  }

  private link(from: End, to: End, model: LinkModel): SimLink {
    const label = `${labelOf(from)} > ${labelOf(to)}`
    let name = label
    for (let i = 2; from.node.links.some((link) => link.name === name); i++) name = `${label} ${i}`
    const { partitions, timeline, trace } = this
    const around = { partitions, timeline, trace }
    const link = new SimLink(
      name,
      from.node,
      to.node,
      to.address,
      model,
      this.random.fork(`link ${name}`),
      around
    )
    from.node.links.push(link)
    return link
  }
}

const labelOf = ({ node, address }: End): string =>
  address === undefined ? node.name : `${node.name} ${address}`

const endOf = (node: SimNode, address: string | undefined): End => {
  if (!(node instanceof SimHost)) {
    if (address === undefined) return { node, address }
    throw new SimConfigError("connect", `accepts an address for hosts only, and ${node.name} is not a host`)
  }
  if (address !== undefined && !node.addresses.includes(address)) {
    throw new SimConfigError("connect", `knows no address ${address} of ${node.name}`)
  }
  return { node, address: address ?? node.addresses[0] }
}

/** Adds the routes for a host's new link. */
const route = (near: End, far: End, link: SimLink, isDefault: boolean): void => {
  if (!(near.node instanceof SimHost) || near.address === undefined) return
  const source = near.address
  if (far.address !== undefined) near.node.addRoute({ source, destination: far.address, link })
  if (far.address === undefined || isDefault) near.node.addRoute({ source, destination: undefined, link })
}

/**
 * The service that holds the network of the current simulation.
 *
 * @category services
 * @since 0.1.0
 */
export class SimNetwork extends Context.Service<SimNetwork, Network>()("effect-quic/layers/sim/SimNetwork") {}
