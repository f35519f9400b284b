/** A machine in the simulated network: addresses, routes, and the sockets bound on it. */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"
import { Entropy } from "../../src/capability/Entropy.ts"
import { type EcnCodepoint, UdpBindError, UdpPort, type UdpPortShape } from "../../src/capability/UdpPort.ts"
import type { SocketAddress } from "../../src/wire/SocketAddress.ts"
import type { PacketTrace } from "./PacketTrace.ts"
import type { SeededRandom } from "./SeededRandom.ts"
import { ClockSkew, HostClock } from "./HostClock.ts"
import { HostInterfaces, type Route } from "./HostInterfaces.ts"
import { HostLife } from "./HostLife.ts"
import { HostSockets } from "./HostSockets.ts"
import { PathMtus } from "./PathMtus.ts"
import type { Routing } from "./Routing.ts"
import type { SimLink } from "./SimLink.ts"
import { initialTtl, type SimNode, type SimPacket, wireSize } from "./SimPacket.ts"
import type { SimUdpSocket, SocketHost, Transmission } from "./SimUdpSocket.ts"
import type { Timeline } from "./Timeline.ts"

export class SimHost implements SimNode, SocketHost {
  readonly name: string
  readonly isRouter = false
  readonly isGateway = false
  /** Whether sockets bound from now on can read and write the ECN bits. */
  ecn = true
  /** Whether sockets bound from now on forbid fragmentation. */
  dontFragment = true
  /** What packets to the host's own addresses go through; see `Network.loopback`. Undefined: they are there at once. */
  loopback: SimLink | undefined = undefined
  /** See `takeDatagrams`. */
  isTaking = true
  private readonly interfaces: HostInterfaces
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
    this.name = name
    this.interfaces = new HostInterfaces(`host ${name}`, addresses)
    this.timeline = timeline
    this.trace = trace
    this.random = random
    this.routing = routing
    this.pathMtus = new PathMtus(timeline)
  }

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

  get addresses(): Array<string> {
    return this.interfaces.addresses
  }

  get links(): Array<SimLink> {
    return this.interfaces.links
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

  /** With false, every socket of the host is congested; with true, what they kept is sent and their owners are woken. */
  takeDatagrams(taking: boolean): void {
    this.isTaking = taking
    if (taking) this.sockets.release()
  }

  /** The latest route that fits is taken; of the routes to routers and NATs the one that was connected first. */
  addRoute(route: Route): void {
    const isDefault = route.destination === undefined && !(route.link.to instanceof SimHost)
    this.interfaces.addRoute(route, isDefault)
  }

  owns(address: string): boolean {
    return this.interfaces.owns(address)
  }

  /**
   * The interface with address `from` has address `to` from now on. Sockets bound to the old one neither send nor
   * receive any more; sockets bound to a wildcard go on from the new one.
   */
  changeAddress(from: string, to: string): void {
    this.interfaces.change(`${this.name}.changeAddress`, from, to)
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

  transmit(
    from: SimUdpSocket,
    source: string | undefined,
    bytes: Uint8Array,
    to: SocketAddress,
    ecn: EcnCodepoint
  ): Transmission {
    const isGone = from.takesAnyAddress && source !== undefined && !this.owns(source)
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
    // The system refuses what it knows cannot arrive whole. RFC 1191 §6.2
    if (packet.dontFragment && wireSize(packet) > this.pathMtus.to(to.host)) return "tooLarge"
    return route.link.carry(packet) ? "sent" : "tooLarge"
  }
}
