/**
 * A network in memory: hosts and routers joined by links, everything that moves is an event on one timeline, and all
 * chance comes from one seed.
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

/** How two nodes are joined: the conditions both ways, and which of the hosts' addresses. */
export interface ConnectOptions extends Partial<LinkConditions> {
  /** What faults call the connection. Default the names of the nodes with a hyphen between. */
  readonly name?: string
  /** What is different on the way back. */
  readonly backward?: Partial<LinkConditions>
  /** The address of the first node, if it is a host. Default its first. */
  readonly from?: string
  /** The address of the second node, if it is a host. Default its first. */
  readonly to?: string
  /** Between two hosts: the way to every destination without a route of its own. To a router it always is. */
  readonly isDefaultRoute?: boolean
}

interface End {
  readonly node: SimNode
  readonly address: string | undefined
}

export class Network {
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

  constructor(timeline: Timeline, random: SeededRandom) {
    this.timeline = timeline
    this.random = random
    this.trace = new PacketTrace(timeline)
  }

  /** Everything that is going to happen in virtual time: packets under way, and what sleeps. */
  get pendingEvents(): number {
    return this.timeline.pending
  }

  /** Adds a host with at least one IP address. */
  host(name: string, ...addresses: ReadonlyArray<string>): SimHost {
    if (addresses.length === 0) throw new SimConfigError(`host ${name}`, "needs an IP address")
    const random = this.random.fork(`host ${name}`)
    const host = this.add(new SimHost(name, addresses, this.timeline, this.trace, random, this.routing))
    this.hosts.set(name, host)
    return host
  }

  /**
   * Adds a router. It finds its way by the shape of the network, or by the routes it is given. Its addresses, if it has
   * any, are where its ICMP messages come from.
   */
  router(name: string, ...addresses: ReadonlyArray<string>): SimRouter {
    for (const address of addresses) checkAddress(`router ${name}`, address)
    return this.add(new SimRouter(name, addresses, this.routing, this.trace))
  }

  /**
   * Adds a NAT with at least one outside address. Connect what it hides to `inside`, and `outside` to the rest. NATs
   * behind NATs work. IPv6 is translated, too, and needs an IPv6 address outside.
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
   * Joins two nodes, each host with one of its addresses: what is for another of its addresses needs a connection of
   * its own, which may lead to the same node.
   */
  connect(first: SimNode, second: SimNode, options: ConnectOptions = {}): SimConnection {
    const { name, backward: back = {}, from, to, isDefaultRoute = false, ...changes } = options
    const a = endOf(first, from)
    const b = endOf(second, to)
    if (a.address !== undefined && b.address !== undefined && familyOf(a.address) !== familyOf(b.address)) {
      throw new SimConfigError(
        "connect",
        `cannot join ${a.address} and ${b.address}, which are of different families`
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
   * From now on nodes (hosts, routers and NATs, by name) of different groups hear nothing of each other, over whatever
   * way: what a host sent is dropped where it would enter a node of another group. With `oneWay`, only the second group
   * hears nothing of the first. Returns how to heal it.
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

  /** Lets the faults of a schedule happen, counted from now. Refuses one that speaks of what there is not. */
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
   * What a host sends to itself goes through a link from now on, as if there were a network in between. Faults call it
   * by `name`, by default the host's name and `loopback`.
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
    if (this.connections.has(wanted)) throw new SimConfigError("connect.name", `${wanted} is taken`)
    return wanted
  }

  private add<Node extends SimNode>(node: Node): Node {
    if (this.nodes.has(node.name)) throw new SimConfigError(node.name, "is the name of another node already")
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
    throw new SimConfigError("connect", `takes an address for hosts only, and ${node.name} is none`)
  }
  if (address !== undefined && !node.addresses.includes(address)) {
    throw new SimConfigError("connect", `knows no address ${address} of ${node.name}`)
  }
  return { node, address: address ?? node.addresses[0] }
}

/** Tells a host what its new link is good for. */
const route = (near: End, far: End, link: SimLink, isDefault: boolean): void => {
  if (!(near.node instanceof SimHost) || near.address === undefined) return
  const source = near.address
  if (far.address !== undefined) near.node.addRoute({ source, destination: far.address, link })
  if (far.address === undefined || isDefault) near.node.addRoute({ source, destination: undefined, link })
}

/** The network of the simulation a program runs in. */
export class SimNetwork extends Context.Service<SimNetwork, Network>()("effect-quic/layers/sim/SimNetwork") {}
