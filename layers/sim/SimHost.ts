/** A host in the simulated network: addresses, routes and sockets. */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"
import { AddressResolver } from "effect/net/AddressResolver"
import { Entropy } from "../../src/capability/Entropy.ts"
import { NetworkInterfaces } from "../../src/capability/NetworkInterfaces.ts"
import { RelayPort } from "../../src/capability/RelayPort.ts"
import { type EcnCodepoint, UdpBindError, UdpPort, type UdpPortShape } from "../../src/capability/UdpPort.ts"
import type { SocketAddress } from "../../src/wire/SocketAddress.ts"
import type { PacketTrace } from "./PacketTrace.ts"
import type { SeededRandom } from "./SeededRandom.ts"
import { ClockSkew, HostClock } from "./HostClock.ts"
import { HostInterfaces, type Route } from "./HostInterfaces.ts"
import { HostLife } from "./HostLife.ts"
import { HostSockets } from "./HostSockets.ts"
import { HostStreams } from "./stream/HostStreams.ts"
import { simRelayPort } from "./relay/simRelayPort.ts"
import type { Routing } from "./Routing.ts"
import type { SimLink } from "./SimLink.ts"
import { simAddressResolver } from "./simAddressResolver.ts"
import { simNetworkInterfaces } from "./simNetworkInterfaces.ts"
import { initialTtl, type SimNode, type SimPacket, wireSize } from "./SimPacket.ts"
import type { SimUdpSocket, Transmission } from "./SimUdpSocket.ts"
import type { Timeline } from "./Timeline.ts"

/** No path that carries QUIC has a smaller one: 1200 bytes and the headers of IPv4. RFC 9000 §14 */
const leastPathMtu = 1228

/**
 * What a host provides for the programs on it.
 *
 * @category models
 * @since 0.1.0
 */
export type HostServices = UdpPort | NetworkInterfaces | AddressResolver | RelayPort | Entropy

/**
 * A host in the simulated network, made by `network.host`. `layer` has the services of a program on it.
 *
 * @category models
 * @since 0.1.0
 */
export class SimHost implements SimNode {
  /** Name of the host. */
  readonly name: string
  /** A host does not forward packets. */
  readonly isRouter = false
  /** A host accepts packets only to its own addresses. */
  readonly isGateway = false
  /** Whether sockets bound later can read and write the ECN bits. */
  ecn = true
  /** Whether sockets bound later forbid fragmentation. */
  dontFragment = true
  /** The link for packets to the host's own addresses; see `Network.loopback`. Undefined: delivered immediately. */
  loopback: SimLink | undefined = undefined
  /** See `takeDatagrams`. */
  acceptsDatagrams = true
  /**
   * Its reliable streams.
   *
   * @internal
   */
  readonly streams: HostStreams
  private readonly interfaces: HostInterfaces
  private readonly sockets = new HostSockets(this)
  private readonly life = new HostLife()
  private readonly skew = new ClockSkew()
  private readonly timeline: Timeline
  private readonly trace: PacketTrace
  private readonly random: SeededRandom
  private readonly routing: Routing

  /** @internal */
  constructor(
    name: string,
    addresses: ReadonlyArray<string>,
    timeline: Timeline,
    trace: PacketTrace,
    random: SeededRandom,
    routing: Routing
  ) {
    this.name = name
    this.interfaces = new HostInterfaces(`host ${name}`, addresses, timeline)
    this.timeline = timeline
    this.trace = trace
    this.random = random
    this.routing = routing
    this.streams = new HostStreams({
      timeline,
      sourceFor: (to) => (this.isUp ? this.sourceFor(to) : undefined),
      carry: (from, to, bytes) => this.carry(from, to, bytes)
    })
  }

  /** UDP on this host. */
  get udpPort(): UdpPortShape {
    return {
      bind: (options = {}) =>
        Effect.acquireRelease(
          Effect.suspend(() => {
            const socket = this.sockets.bind(options)
            return socket instanceof UdpBindError ? Effect.fail(socket) : Effect.succeed(socket)
          }),
          (socket) => Effect.sync(() => this.sockets.close(socket))
        )
    }
  }

  /** Its addresses. */
  get addresses(): Array<string> {
    return this.interfaces.addresses
  }

  /** Its outgoing links. */
  get links(): Array<SimLink> {
    return this.interfaces.links
  }

  /**
   * The services of a program on this host: its UDP, its network interfaces, the names of all hosts and `localhost`, its way to
   * simulated relays, its own entropy and its clock.
   */
  get layer(): Layer.Layer<HostServices> {
    const clock = Effect.map(Clock.Clock, (world) => new HostClock(world, this.skew))
    return Layer.mergeAll(
      Layer.succeed(UdpPort, this.udpPort),
      Layer.succeed(NetworkInterfaces, simNetworkInterfaces(this.interfaces)),
      Layer.succeed(RelayPort, simRelayPort(this.streams)),
      Layer.succeed(
        AddressResolver,
        simAddressResolver(this, () => this.routing.hosts)
      ),
      Layer.succeed(Entropy, { randomBytes: this.random.bytes }),
      Layer.effect(Clock.Clock, clock)
    )
  }

  /**
   * Moves the host's wall clock forward, or back if negative. Affects dates (certificates, tickets, logs) but not timers
   * and sleeps.
   */
  jumpClock(byMillis: number): void {
    this.skew.jump(byMillis)
  }

  /** From now on, the host's wall clock runs fast by `ppm` millionths, or slow if negative. */
  driftClock(ppm: number): void {
    this.skew.drift(ppm, this.timeline.nowNanos)
  }

  /** Number of bound sockets. */
  get socketCount(): number {
    return this.sockets.count
  }

  /**
   * Runs a program on this host, with its UDP and entropy, in its own scope. A crash interrupts it, and it starts over when
   * the host restarts. Datagrams its finalizers send after a crash are lost.
   */
  run<A, E, R>(
    program: Effect.Effect<A, E, R>
  ): Effect.Effect<A, E, Exclude<Exclude<R, HostServices>, Scope.Scope>> {
    return this.life.run(Effect.provide(program, this.layer))
  }

  /** False between a crash and the restart. */
  get isUp(): boolean {
    return this.life.isUp
  }

  /**
   * Simulates a power loss: sockets are closed silently, learned path MTUs are forgotten, programs started by `run` are
   * interrupted, and nothing can be bound. Other fibers that use its layer keep dead sockets.
   */
  crash(): void {
    this.sockets.closeAll()
    this.streams.closeAll()
    this.interfaces.pathMtus.forget()
    // Interrupted programs run their finalizers immediately, so the sockets must be dead by then.
    this.life.turn(false)
  }

  /** Ends a crash: programs started by `run` begin again. */
  restart(): void {
    this.life.turn(true)
  }

  /** `false` makes every socket of the host congested; `true` sends what they queued and wakes their owners. */
  takeDatagrams(taking: boolean): void {
    this.acceptsDatagrams = taking
    if (taking) this.sockets.release()
  }

  /** The latest matching route is used; among links to routers and NATs, the one connected first. */
  addRoute(route: Route): void {
    const isDefault = route.destination === undefined && !(route.link.to instanceof SimHost)
    this.interfaces.addRoute(route, isDefault)
  }

  /** Whether an interface has this address. */
  owns(address: string): boolean {
    return this.interfaces.owns(address)
  }

  /**
   * Changes an interface address from `from` to `to`. Sockets bound to the old address no longer send or receive; sockets
   * bound to a wildcard continue with the new one.
   */
  changeAddress(from: string, to: string): void {
    this.interfaces.change(`${this.name}.changeAddress`, from, to)
    for (const { to: neighbour } of this.links) {
      for (const link of neighbour.links) if (link.to === this && link.toAddress === from) link.toAddress = to
    }
    this.routing.changed()
  }

  /** The interface with this address goes down; what leads over it does not any more. False if none with it was up. */
  takeDown(address: string): boolean {
    return this.interfaces.takeDown(address)
  }

  /** Ends `takeDown`. */
  bringUp(address: string): void {
    this.interfaces.bringUp(address)
  }

  /** Takes a packet from a link. */
  receive(packet: SimPacket): void {
    this.timeline.hasReachedProgram = true
    if (!this.isUp) {
      this.trace.record("host down", packet, this.name)
      return
    }
    if (packet.icmp !== undefined) {
      const quoted = this.socketAt(packet.icmp.from)
      this.trace.record(quoted === undefined ? "no socket" : "arrived", packet, this.name)
      // whoever forges one has to know at least the port
      if (quoted === undefined) return
      this.interfaces.pathMtus.learn(packet.icmp.to.host, packet.icmp.mtu)
      quoted.onTooBig(packet.icmp)
      return
    }
    if (packet.isSegment === true && this.owns(packet.to.host)) {
      this.trace.record("arrived", packet, this.name)
      this.streams.receive(packet.from, packet.to, packet.bytes)
      return
    }
    const socket = packet.isSegment === true ? undefined : this.socketAt(packet.to)
    if (socket === undefined) {
      this.trace.record("no socket", packet, this.name)
      return
    }
    this.trace.record("arrived", packet, this.name)
    socket.deliver(packet)
  }

  private socketAt(to: SocketAddress): SimUdpSocket | undefined {
    return this.owns(to.host) ? this.sockets.at(to) : undefined
  }

  private sourceFor(to: SocketAddress): string | undefined {
    return this.owns(to.host) ? to.host : this.interfaces.routeTo(to, undefined)?.source
  }

  /** Sends a segment of one of its streams. */
  private carry(from: SocketAddress, to: SocketAddress, bytes: Uint8Array): boolean {
    if (!this.owns(from.host)) return false
    const packet: SimPacket = {
      from,
      to,
      bytes,
      ecn: 0,
      dontFragment: false,
      ttl: initialTtl,
      origin: this.name,
      isSegment: true
    }
    if (this.owns(to.host)) {
      this.timeline.at(this.timeline.nowNanos, () => this.receive(packet))
      return true
    }
    const link = this.isUp ? this.interfaces.routeTo(to, from.host)?.link : undefined
    if (link === undefined) this.trace.record("no route", packet, this.name)
    else link.carry(packet)
    return true
  }

  /** Sends a datagram of one of its sockets. @internal */
  transmit(
    from: SimUdpSocket,
    source: string | undefined,
    bytes: Uint8Array,
    to: SocketAddress,
    ecn: EcnCodepoint
  ): Transmission {
    const isGone = from.acceptsAnyAddress && source !== undefined && !this.owns(source)
    const bound = isGone ? undefined : source
    const isOwn = this.owns(to.host)
    const route = isOwn ? undefined : this.interfaces.routeTo(to, bound)
    const packet: SimPacket = {
      from: from.addressFrom(bound ?? (isOwn ? to.host : (route?.source ?? from.localAddress.host))),
      to,
      bytes,
      ecn,
      dontFragment: from.capabilities.dontFragment,
      ttl: initialTtl,
      origin: this.name
    }
    if (isOwn && this.loopback !== undefined) return this.loopback.carry(packet) ? "sent" : "tooLarge"
    if (isOwn) {
      this.timeline.at(this.timeline.nowNanos, () => this.receive(packet))
      return "sent"
    }
    if (route === undefined) {
      this.trace.record("no route", packet, this.name)
      return "noRoute"
    }
    const pathMtu = this.interfaces.pathMtus.to(to.host)
    if (!packet.dontFragment || wireSize(packet) <= pathMtu)
      return route.link.carry(packet) ? "sent" : "tooLarge"
    // The system rejects datagrams larger than the known path MTU. RFC 1191 §6.2
    if (pathMtu >= leastPathMtu) return "tooLarge"
    // A smaller one is not believed: as Linux does, it sends in fragments, which a path that had it would need.
    return route.link.carry({ ...packet, dontFragment: false }) ? "sent" : "tooLarge"
  }
}
