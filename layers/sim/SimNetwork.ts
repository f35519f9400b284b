/**
 * A network in memory: hosts joined by links, everything that moves is an event on one timeline, and all chance comes
 * from one seed.
 */
import * as Context from "effect/Context"
import { formatAddress, type SocketAddress } from "../../src/wire/SocketAddress.ts"
import { PacketTrace } from "./PacketTrace.ts"
import type { SeededRandom } from "./SeededRandom.ts"
import { familyOf } from "../udp/hostLiteral.ts"
import { SimHost } from "./SimHost.ts"
import { type LinkConditions, perfectLink, SimLink } from "./SimLink.ts"
import type { Timeline } from "./Timeline.ts"

/** Two hosts joined, one link each way. */
export class SimConnection {
  /** From the first host named to the second. */
  readonly forward: SimLink
  readonly backward: SimLink
  private readonly second: SimHost
  private readonly secondAddress: string
  /** Outside address by inside address, and the other way round. */
  private readonly outside = new Map<string, SocketAddress>()
  private readonly inside = new Map<string, SocketAddress>()

  constructor(forward: SimLink, backward: SimLink, second: SimHost, secondAddress: string) {
    this.forward = forward
    this.backward = backward
    this.second = second
    this.secondAddress = secondAddress
  }

  /** Changes conditions both ways. */
  set(conditions: Partial<LinkConditions>): void {
    this.forward.set(conditions)
    this.backward.set(conditions)
  }

  /**
   * As if the first host were behind a NAT whose binding has just changed: from now on the second host sees what
   * comes from `inside` as coming from `outside`, and what it sends anywhere else for `inside` is lost.
   */
  rebind(inside: SocketAddress, outside: SocketAddress): void {
    const previous = this.outside.get(formatAddress(inside))
    if (previous !== undefined) this.inside.delete(formatAddress(previous))
    this.outside.set(formatAddress(inside), outside)
    this.inside.set(formatAddress(outside), inside)
    this.second.addRoute({ source: this.secondAddress, destination: outside.host, link: this.backward })
    this.forward.rewrite = (packet) => ({
      ...packet,
      from: this.outside.get(formatAddress(packet.from)) ?? packet.from
    })
    this.backward.rewrite = (packet) => {
      const to = this.inside.get(formatAddress(packet.to))
      if (to !== undefined) return { ...packet, to }
      return this.outside.has(formatAddress(packet.to)) ? undefined : packet
    }
  }
}

/** Which of the hosts' addresses a connection joins. Default: the first of each. */
export interface ConnectOptions extends Partial<LinkConditions> {
  readonly from?: string
  readonly to?: string
  /** The way to every destination without a route of its own, on both hosts. */
  readonly isDefaultRoute?: boolean
}

export class Network {
  readonly trace: PacketTrace
  private readonly timeline: Timeline
  private readonly random: SeededRandom
  private readonly hosts = new Map<string, SimHost>()

  constructor(timeline: Timeline, random: SeededRandom) {
    this.timeline = timeline
    this.random = random
    this.trace = new PacketTrace(timeline)
  }

  /** Adds a host with at least one IP address. */
  host(name: string, ...addresses: ReadonlyArray<string>): SimHost {
    if (this.hosts.has(name)) throw new Error(`There is a host ${name} already.`)
    if (addresses.length === 0) throw new Error(`The host ${name} needs an IP address.`)
    const host = new SimHost(name, addresses, this.timeline, this.trace, this.random.fork(`host ${name}`))
    this.hosts.set(name, host)
    return host
  }

  /** Joins an address of each host; the same conditions both ways, to be changed per direction afterwards. */
  connect(first: SimHost, second: SimHost, options: ConnectOptions = {}): SimConnection {
    const {
      from = first.addresses[0],
      to = second.addresses[0],
      isDefaultRoute = false,
      ...changes
    } = options
    if (!first.addresses.includes(from)) throw new Error(`${first.name} has no address ${from}.`)
    if (!second.addresses.includes(to)) throw new Error(`${second.name} has no address ${to}.`)
    if (familyOf(from) !== familyOf(to)) throw new Error(`${from} and ${to} are of different families.`)
    const conditions = { ...perfectLink, ...changes }
    const forward = this.link(`${first.name} ${from} > ${second.name} ${to}`, second, conditions)
    const backward = this.link(`${second.name} ${to} > ${first.name} ${from}`, first, conditions)
    first.addRoute({ source: from, destination: to, link: forward })
    second.addRoute({ source: to, destination: from, link: backward })
    if (isDefaultRoute) {
      first.addRoute({ source: from, destination: undefined, link: forward })
      second.addRoute({ source: to, destination: undefined, link: backward })
    }
    return new SimConnection(forward, backward, second, to)
  }

  private link(name: string, to: SimHost, conditions: LinkConditions): SimLink {
    return new SimLink(name, to, conditions, this.timeline, this.random.fork(`link ${name}`), this.trace)
  }
}

/** The network of the simulation a program runs in. */
export class SimNetwork extends Context.Service<SimNetwork, Network>()("effect-quic/layers/sim/SimNetwork") {}
