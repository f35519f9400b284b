/** A router with network address translation and filtering. */
import { familyOf } from "../udp/hostLiteral.ts"
import type { SocketAddress } from "../../src/wire/SocketAddress.ts"
import { checkAddress } from "./IpPrefix.ts"
import { checkNat, type NatBehaviour } from "./natBehaviour.ts"
import { NatTable } from "./NatTable.ts"
import type { PacketFate, PacketTrace } from "./PacketTrace.ts"
import type { Routing } from "./Routing.ts"
import type { SeededRandom } from "./SeededRandom.ts"
import { SimConfigError } from "./simConfig.ts"
import type { SimNode, SimPacket, SimEdge } from "./SimPacket.ts"
import { Forwarder, RouterCounters } from "./SimRouter.ts"
import type { Timeline } from "./Timeline.ts"

/**
 * NAT counters in addition to those of routers; ICMP messages are not counted.
 *
 * @category models
 * @since 0.1.0
 */
export class NatCounters extends RouterCounters {
  /** Forwarded from inside to outside. */
  outbound = 0
  /** Forwarded from outside to inside. */
  inbound = 0
  /** Forwarded from inside to inside through an outside address. */
  hairpinned = 0
  /** Dropped: no mapping for the outside endpoint. */
  unmapped = 0
  /** Dropped: sender not permitted, or hairpinning not supported. */
  filtered = 0
  /** Dropped: table full, or no outside address of their family. */
  tableFull = 0
}

/**
 * Snapshot of a mapping.
 *
 * @category models
 * @since 0.1.0
 */
export interface NatMappingState {
  /** The inside endpoint. */
  readonly inside: SocketAddress
  /** The server-reflexive address. RFC 8489 §2 */
  readonly outside: SocketAddress
  /** Permitted senders, as addresses or endpoints, latest last; empty if anyone may send. */
  readonly permitted: ReadonlyArray<string>
  /** Time since last use. */
  readonly idleMillis: number
}

/**
 * One side of a NAT, to connect links to.
 *
 * @category models
 * @since 0.1.0
 */
export class NatSide implements SimNode {
  /** Name of the NAT. */
  readonly name: string
  /** Its outgoing links on this side. */
  readonly links: Array<SimEdge> = []
  /** A side does not forward packets itself; the NAT does. */
  readonly isRouter = false
  /** True for the inside, which accepts packets to any address. */
  readonly isGateway: boolean
  /** Whether the NAT has this address on this side. */
  readonly owns: (address: string) => boolean
  /** Takes a packet from a link. */
  readonly receive: (packet: SimPacket) => void

  /** @internal */
  constructor(
    name: string,
    isGateway: boolean,
    owns: (address: string) => boolean,
    receive: (packet: SimPacket) => void
  ) {
    this.name = name
    this.isGateway = isGateway
    this.owns = owns
    this.receive = receive
  }
}

/** What a NAT does with streams, whatever it does with datagrams: it keeps them for two hours. RFC 5382 */
const streamBehaviour = (behaviour: NatBehaviour): NatBehaviour => ({
  ...behaviour,
  ports: "preserving",
  mapping: "endpointIndependent",
  filtering: "addressAndPortDependent",
  mappingTimeoutMillis: 7_440_000,
  inboundRefresh: true
})

/**
 * A NAT, made by `network.nat`. Connect links to its two sides.
 *
 * @category models
 * @since 0.1.0
 */
export class SimNat {
  /** Name of the NAT. */
  readonly name: string
  /** How it maps and filters. */
  readonly behaviour: NatBehaviour
  /** What happened to the packets. */
  readonly counters = new NatCounters()
  /** Hosts and routers on this side reach others through the NAT, but cannot be reached from outside. */
  readonly inside: NatSide
  /** The side with the NAT's own addresses. */
  readonly outside: NatSide
  private readonly addresses: Array<string>
  /** Of datagrams. */
  private readonly table: NatTable
  /** Of streams, which have ports of their own. */
  private readonly streams: NatTable
  private readonly toInside: Forwarder
  private readonly toOutside: Forwarder
  /** The outside address of each inside host; paired, so it never changes. RFC 4787 §4.1 REQ-2 */
  private readonly pairing = new Map<string, string>()
  private readonly routing: Routing
  private readonly trace: PacketTrace
  private readonly timeline: Timeline

  /** @internal */
  constructor(
    name: string,
    addresses: ReadonlyArray<string>,
    behaviour: NatBehaviour,
    timeline: Timeline,
    random: SeededRandom,
    routing: Routing,
    trace: PacketTrace
  ) {
    if (addresses.length === 0) throw new SimConfigError(`nat ${name}`, "needs an outside address")
    for (const address of addresses) checkAddress(`nat ${name}`, address)
    checkNat(`nat ${name}`, behaviour)
    this.name = name
    this.addresses = [...addresses]
    this.behaviour = behaviour
    this.table = new NatTable(behaviour, timeline, random)
    this.streams = new NatTable(streamBehaviour(behaviour), timeline, random.fork("streams"))
    this.routing = routing
    this.trace = trace
    this.timeline = timeline
    const owns = (address: string): boolean => this.addresses.includes(address)
    this.inside = new NatSide(
      name,
      true,
      () => false,
      (packet) => this.receiveInside(packet)
    )
    this.outside = new NatSide(name, false, owns, (packet) => this.receiveOutside(packet))
    this.toInside = new Forwarder(this.inside, [], routing, trace, this.counters)
    this.toOutside = new Forwarder(this.outside, this.addresses, routing, trace, this.counters)
  }

  /** Its addresses on the outside. */
  get outsideAddresses(): ReadonlyArray<string> {
    return this.addresses
  }

  /** The current mappings of datagrams, oldest first. */
  get mappings(): ReadonlyArray<NatMappingState> {
    return this.table.mappings.map(({ inside, outside, permitted, usedNanos }) => ({
      inside,
      outside,
      permitted: [...permitted.keys()].filter((remote) => remote !== ""),
      idleMillis: (this.timeline.nowNanos - usedNanos) / 1e6
    }))
  }

  /**
   * Drops all mappings, so that inside hosts get new ports. `address` replaces the first outside address of its family, as
   * when an ISP assigns a new one.
   */
  rebind(address?: string): void {
    if (address !== undefined) {
      checkAddress(`nat ${this.name}.rebind`, address)
      const index = this.addresses.findIndex((own) => familyOf(own) === familyOf(address))
      if (index === -1)
        throw new SimConfigError(`nat ${this.name}.rebind`, `has no address of ${address}'s family`)
      this.addresses[index] = address
      this.routing.changed()
    }
    this.pairing.clear()
    this.table.clear()
    this.streams.clear()
  }

  private tableOf({ isSegment }: SimPacket): NatTable {
    return isSegment === true ? this.streams : this.table
  }

  private receiveInside(packet: SimPacket): void {
    const { from, to, icmp } = packet
    if (this.toInside.wayTo(to.host) !== undefined) {
      this.passInside(packet)
    } else if (icmp !== undefined) {
      // About an inbound packet, so the directions are reversed. RFC 5508 §4.2
      const mapping = this.table.find(icmp.to, icmp.from)
      if (mapping === undefined) return this.trace.record("no mapping", packet, this.name)
      this.passOutside({
        ...packet,
        from: { ...from, host: mapping.outside.host },
        icmp: { ...icmp, to: mapping.outside }
      })
    } else {
      const host = this.outsideAddressFor(from)
      const mapping = host === undefined ? undefined : this.tableOf(packet).open(from, to, host)
      if (mapping === undefined) return this.drop("tableFull", "no mapping", packet)
      const translated = { ...packet, from: mapping.outside }
      if (this.outside.owns(to.host)) return this.hairpin(translated)
      this.counters.outbound++
      this.passOutside(translated)
    }
  }

  private receiveOutside(packet: SimPacket): void {
    const { to, icmp } = packet
    if (icmp !== undefined) {
      const mapping = this.table.findOutside(icmp.from)
      if (mapping === undefined) return this.trace.record("no mapping", packet, this.name)
      this.passInside({ ...packet, to: mapping.inside, icmp: { ...icmp, from: mapping.inside } })
      return
    }
    if (!this.outside.owns(to.host)) return this.drop("noRoute", "no route", packet)
    if (this.admit(packet)) this.counters.inbound++
  }

  /** The inside host sees the outside address as source, as required by RFC 4787 §6 REQ-9. */
  private hairpin(packet: SimPacket): void {
    if (!this.behaviour.hairpinning) this.drop("filtered", "filtered", packet)
    else if (this.admit(packet)) this.counters.hairpinned++
  }

  /** Forwards a packet to an outside endpoint if it is mapped and the sender is permitted. */
  private admit(packet: SimPacket): boolean {
    const table = this.tableOf(packet)
    const mapping = table.findOutside(packet.to)
    if (mapping === undefined) {
      this.drop("unmapped", "no mapping", packet)
      return false
    }
    if (!table.admits(mapping, packet.from)) {
      this.drop("filtered", "filtered", packet)
      return false
    }
    this.passInside({ ...packet, to: mapping.inside })
    return true
  }

  private passInside(packet: SimPacket): void {
    this.toInside.forward(packet, (answer) => this.receiveInside(answer))
  }

  private passOutside(packet: SimPacket): void {
    this.toOutside.forward(packet, (answer) => this.receiveOutside(answer))
  }

  private outsideAddressFor({ host, family }: SocketAddress): string | undefined {
    const paired = this.pairing.get(host)
    if (paired !== undefined) return paired
    const pool = this.addresses.filter((address) => familyOf(address) === family)
    if (pool.length === 0) return undefined
    if (this.pairing.size === this.behaviour.maxMappings) {
      const [oldest] = this.pairing.keys()
      this.pairing.delete(oldest)
    }
    const address = pool[this.pairing.size % pool.length]
    this.pairing.set(host, address)
    return address
  }

  private drop(
    counter: "unmapped" | "filtered" | "tableFull" | "noRoute",
    fate: PacketFate,
    packet: SimPacket
  ): void {
    this.counters[counter]++
    this.trace.record(fate, packet, this.name)
  }
}
