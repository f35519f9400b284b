/** A router. */
import { addressBytes, IpPrefix } from "./IpPrefix.ts"
import type { PacketTrace } from "./PacketTrace.ts"
import type { Routing } from "./Routing.ts"
import { initialTtl, type SimNode, type SimPacket, type SimEdge } from "./SimPacket.ts"

interface PrefixRoute {
  readonly prefix: IpPrefix
  readonly link: SimEdge | undefined
}

/**
 * Packet counters of a router.
 *
 * @category models
 * @since 0.1.0
 */
export class RouterCounters {
  /** Passed on to a link. */
  forwarded = 0
  /** No route to their destination. */
  noRoute = 0
  /** Hop limit exceeded. */
  ttlExpired = 0
  /** Too large for the next link; reported to their senders. */
  tooLarge = 0
}

/** Forwarding, shared by routers and NATs. */
export class Forwarder {
  readonly counters: RouterCounters
  private readonly node: SimNode
  private readonly addresses: ReadonlyArray<string>
  private readonly routing: Routing
  private readonly trace: PacketTrace
  /** Longest prefix first. */
  private readonly routes: Array<PrefixRoute> = []

  /** @internal */
  constructor(
    node: SimNode,
    addresses: ReadonlyArray<string>,
    routing: Routing,
    trace: PacketTrace,
    counters: RouterCounters
  ) {
    this.counters = counters
    this.node = node
    this.addresses = addresses
    this.routing = routing
    this.trace = trace
  }

  addRoute(route: PrefixRoute): void {
    const index = this.routes.findIndex(({ prefix }) => prefix.length <= route.prefix.length)
    this.routes.splice(index === -1 ? this.routes.length : index, 0, route)
  }

  /** Configured routes take precedence over shortest paths. */
  wayTo(destination: string): SimEdge | undefined {
    if (this.routes.length > 0) {
      const bytes = addressBytes(destination)
      const route = bytes && this.routes.find(({ prefix }) => prefix.contains(bytes))
      if (route !== undefined) return route.link
    }
    return this.routing.way(this.node, destination)
  }

  /** Forwards the packet. ICMP messages to its sender are passed to `back`. */
  forward(packet: SimPacket, back: (packet: SimPacket) => void): void {
    if (packet.ttl <= 1) {
      this.counters.ttlExpired++
      this.trace.record("ttl expired", packet, this.node.name)
      return
    }
    const link = this.wayTo(packet.to.host)
    if (link === undefined) {
      this.counters.noRoute++
      this.trace.record("no route", packet, this.node.name)
      return
    }
    const taken = link.carry({ ...packet, ttl: packet.ttl - 1 })
    if (taken) {
      this.counters.forwarded++
      return
    }
    this.counters.tooLarge++
    // Never in response to an ICMP message. RFC 1122 §3.2.2
    back(this.tooBig(packet, link.conditions.mtu))
  }

  private tooBig({ from, to }: SimPacket, mtu: number): SimPacket {
    const own = this.addresses.find((address) => address.includes(":") === (to.family === 6))
    return {
      from: { host: own ?? to.host, port: 0, family: to.family },
      to: from,
      bytes: new Uint8Array(0),
      ecn: 0,
      dontFragment: false,
      ttl: initialTtl,
      origin: this.node.name,
      icmp: { from, to, mtu }
    }
  }
}

/**
 * A router, made by `network.router`.
 *
 * @category models
 * @since 0.1.0
 */
export class SimRouter implements SimNode {
  /** Name of the router. */
  readonly name: string
  /** Source addresses of its ICMP messages. */
  readonly addresses: ReadonlyArray<string>
  /** Its outgoing links. */
  readonly links: Array<SimEdge> = []
  /** It forwards packets. */
  readonly isRouter = true
  /** It accepts packets to any address in order to forward them. */
  readonly isGateway = false
  /** What happened to the packets. */
  readonly counters = new RouterCounters()
  private readonly forwarder: Forwarder
  private readonly trace: PacketTrace

  /** @internal */
  constructor(name: string, addresses: ReadonlyArray<string>, routing: Routing, trace: PacketTrace) {
    this.name = name
    this.addresses = addresses
    this.trace = trace
    this.forwarder = new Forwarder(this, addresses, routing, trace, this.counters)
  }

  /** Whether it has this address. */
  owns(address: string): boolean {
    return this.addresses.includes(address)
  }

  /**
   * Routes packets to `prefix` (`10.0.0.0/8`, `2001:db8::1`, `::/0`) over `link`, or drops them if undefined. The longest
   * matching prefix wins, of equal ones the latest; without a match the shortest path is used.
   */
  addRoute(prefix: string, link: SimEdge | undefined): void {
    this.forwarder.addRoute({ prefix: new IpPrefix(`${this.name}.addRoute`, prefix), link })
  }

  /** Takes a packet from a link. */
  receive(packet: SimPacket): void {
    if (this.owns(packet.to.host)) this.trace.record("no socket", packet, this.name)
    else this.forwarder.forward(packet, (answer) => this.receive(answer))
  }
}
