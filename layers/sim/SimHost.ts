/** A machine in the simulated network: addresses, routes, and the sockets bound on it. */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"
import { Entropy } from "../../src/capability/Entropy.ts"
import { type EcnCodepoint, UdpBindError, UdpPort, type UdpPortShape } from "../../src/capability/UdpPort.ts"
import type { SocketAddress } from "../../src/wire/SocketAddress.ts"
import { familyOf } from "../udp/hostLiteral.ts"
import type { PacketTrace } from "./PacketTrace.ts"
import type { SeededRandom } from "./SeededRandom.ts"
import { checkAddress } from "./IpPrefix.ts"
import { ClockSkew, HostClock } from "./HostClock.ts"
import { HostLife } from "./HostLife.ts"
import { HostSockets } from "./HostSockets.ts"
import { PathMtus } from "./PathMtus.ts"
import type { Routing } from "./Routing.ts"
import { SimConfigError } from "./simConfig.ts"
import type { SimLink } from "./SimLink.ts"
import { initialTtl, type SimNode, type SimPacket, wireSize } from "./SimPacket.ts"
import type { SimUdpSocket } from "./SimUdpSocket.ts"
import type { Timeline } from "./Timeline.ts"

/** Packets from `source` to `destination` take `link`. */
export interface Route {
  readonly source: string
  /** Undefined: anywhere. */
  readonly destination: string | undefined
  readonly link: SimLink
}

/** What became of a datagram that a socket sent. */
export type Transmission = "sent" | "noRoute" | "tooLarge"

export class SimHost implements SimNode {
  readonly name: string
  readonly addresses: Array<string>
  readonly links: Array<SimLink> = []
  readonly isRouter = false
  readonly isGateway = false
  /** Whether sockets bound from now on can read and write the ECN bits. */
  ecn = true
  /** Whether sockets bound from now on forbid fragmentation. */
  dontFragment = true
  /** What packets to the host's own addresses go through; see `Network.loopback`. Undefined: they are there at once. */
  loopback: SimLink | undefined = undefined
  /** Sockets keep what is sent and are congested while false: the system does not take datagrams. */
  private taking = true
  private routes: Array<Route> = []
  private readonly sockets = new HostSockets(this)
  private readonly life = new HostLife()
  private readonly skew = new ClockSkew()
  private readonly timeline: Timeline
  private readonly trace: PacketTrace
  private readonly random: SeededRandom
  private readonly routing: Routing
  private readonly pathMtus: PathMtus

  constructor(
    name: string,
    addresses: ReadonlyArray<string>,
    timeline: Timeline,
    trace: PacketTrace,
    random: SeededRandom,
    routing: Routing
  ) {
    for (const address of addresses) checkAddress(`host ${name}`, address)
    this.name = name
    this.addresses = [...addresses]
    this.timeline = timeline
    this.trace = trace
    this.random = random
    this.routing = routing
    this.pathMtus = new PathMtus(timeline)
  }

  readonly udpPort: UdpPortShape = {
    bind: (options = {}) =>
      Effect.acquireRelease(
        Effect.suspend(() => {
          const socket = this.sockets.bind(options)
          return socket instanceof UdpBindError ? Effect.fail(socket) : Effect.succeed(socket)
        }),
        (socket) => Effect.sync(() => this.sockets.close(socket))
      )
  }

  /** What a program needs to run on this host: its UDP, entropy of its own, and its idea of what time it is. */
  get layer(): Layer.Layer<UdpPort | Entropy> {
    const clock = Effect.map(Clock.Clock, (world) => new HostClock(world, this.skew))
    return Layer.mergeAll(
      Layer.succeed(UdpPort, this.udpPort),
      Layer.succeed(Entropy, { randomBytes: this.random.bytes }),
      Layer.effect(Clock.Clock, clock)
    )
  }

  /**
   * Sets the host's wall clock forward, or back when negative: what is dated by it (certificates, tickets, logs) sees
   * that, what waits does not.
   */
  jumpClock(byMillis: number): void {
    this.skew.jump(byMillis)
  }

  /** From now on the host's wall clock gains so many millionths; negative, it loses them. */
  driftClock(ppm: number): void {
    this.skew.drift(ppm, this.timeline.nowNanos)
  }

  get socketCount(): number {
    return this.sockets.count
  }

  /**
   * Runs a program on this host: with its UDP and its entropy, in a scope of its own. A crash interrupts it, and it
   * begins again when the host restarts. What its finalizers send is lost with everything else.
   */
  run<A, E, R>(
    program: Effect.Effect<A, E, R>
  ): Effect.Effect<A, E, Exclude<Exclude<R, UdpPort | Entropy>, Scope.Scope>> {
    return this.life.run(Effect.provide(program, this.layer))
  }

  /** False between a crash and the restart. */
  get isUp(): boolean {
    return this.life.isUp
  }

  /**
   * The machine loses power: its sockets die without a word, it forgets all it was told about paths, programs under
   * `run` are interrupted, and nothing can be bound. Other fibers that use its layer are left with dead sockets.
   */
  crash(): void {
    this.sockets.closeAll()
    this.pathMtus.forget()
    // Interrupted programs run their finalizers at once, and those must find the sockets dead.
    this.life.turn(false)
  }

  restart(): void {
    this.life.turn(true)
  }

  get isTaking(): boolean {
    return this.taking
  }

  /** With false, every socket of the host is congested; with true, what they kept is sent and their owners are woken. */
  takeDatagrams(taking: boolean): void {
    this.taking = taking
    if (taking) this.sockets.release()
  }

  /** The latest route that fits is taken; of the ways to routers and NATs the one that was connected first. */
  addRoute(route: Route): void {
    if (route.destination === undefined && !(route.link.to instanceof SimHost)) this.routes.push(route)
    else this.routes.unshift(route)
  }

  owns(address: string): boolean {
    return this.addresses.includes(address)
  }

  /**
   * The interface with address `from` has address `to` from now on. Sockets bound to the old one neither send nor
   * receive any more; sockets bound to a wildcard go on from the new one.
   */
  changeAddress(from: string, to: string): void {
    checkAddress(`${this.name}.changeAddress`, to)
    const index = this.addresses.indexOf(from)
    if (index === -1) throw new SimConfigError(`${this.name}.changeAddress`, `knows no address ${from}`)
    if (familyOf(from) !== familyOf(to)) {
      throw new SimConfigError(
        `${this.name}.changeAddress`,
        `cannot turn ${from} into ${to}, of another family`
      )
    }
    if (this.addresses.includes(to)) {
      throw new SimConfigError(`${this.name}.changeAddress`, `has the address ${to} already`)
    }
    this.addresses[index] = to
    this.routes = this.routes.map((route) => (route.source === from ? { ...route, source: to } : route))
    for (const { to: neighbour } of this.links) {
      for (const link of neighbour.links) if (link.to === this && link.toAddress === from) link.toAddress = to
    }
    this.routing.changed()
  }

  receive(packet: SimPacket): void {
    if (!this.isUp) {
      this.trace.record("host down", packet, this.name)
      return
    }
    if (packet.icmp !== undefined) {
      this.trace.record("arrived", packet, this.name)
      this.pathMtus.learn(packet.icmp.to.host, packet.icmp.mtu)
      this.socketAt(packet.icmp.from)?.hearTooBig(packet.icmp)
      return
    }
    const socket = this.socketAt(packet.to)
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

  /** Sends from a socket and, if it says so, from that address of the host's. */
  transmit(
    from: SimUdpSocket,
    source: string | undefined,
    bytes: Uint8Array,
    to: SocketAddress,
    ecn: EcnCodepoint
  ): Transmission {
    const isGone = from.takesAnyAddress && source !== undefined && !this.owns(source)
    const bound = isGone ? undefined : source
    const isOwn = this.addresses.includes(to.host)
    const route = isOwn ? undefined : this.routeTo(to, bound)
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
    // The system refuses what it knows cannot arrive whole. RFC 1191 §6.2
    if (packet.dontFragment && wireSize(packet) > this.pathMtus.to(to.host)) return "tooLarge"
    return route.link.carry(packet) ? "sent" : "tooLarge"
  }

  private routeTo(to: SocketAddress, source: string | undefined): Route | undefined {
    const usable = (route: Route): boolean =>
      (source === undefined || route.source === source) &&
      familyOf(route.source) === to.family &&
      this.addresses.includes(route.source)
    return (
      this.routes.find((route) => route.destination === to.host && usable(route)) ??
      this.routes.find((route) => route.link.leadsTo(to.host) && usable(route)) ??
      this.routes.find((route) => route.destination === undefined && usable(route))
    )
  }
}
