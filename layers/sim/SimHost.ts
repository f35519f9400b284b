/** A machine in the simulated network: addresses, routes, and the sockets bound on it. */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"
import { Entropy } from "../../src/capability/Entropy.ts"
import {
  type EcnCodepoint,
  type UdpBindOptions,
  UdpBindError,
  UdpPort,
  type UdpPortShape,
  type UdpSocket
} from "../../src/capability/UdpPort.ts"
import type { SocketAddress } from "../../src/wire/SocketAddress.ts"
import { familyOf, isWildcard } from "../udp/hostLiteral.ts"
import type { PacketTrace } from "./PacketTrace.ts"
import type { SeededRandom } from "./SeededRandom.ts"
import { checkAddress } from "./IpPrefix.ts"
import { PathMtus } from "./PathMtus.ts"
import type { Routing } from "./Routing.ts"
import { SimConfigError } from "./simConfig.ts"
import type { SimLink } from "./SimLink.ts"
import { initialTtl, type SimNode, type SimPacket, wireSize } from "./SimPacket.ts"
import { SimUdpSocket } from "./SimUdpSocket.ts"
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

const firstEphemeralPort = 49_152

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
  /** Sockets keep what is sent and are congested while false: the system does not take datagrams. */
  private taking = true
  private routes: Array<Route> = []
  private readonly sockets: Array<SimUdpSocket> = []
  private readonly timeline: Timeline
  private readonly trace: PacketTrace
  private readonly random: SeededRandom
  private readonly routing: Routing
  private readonly pathMtus: PathMtus
  private nextPort = firstEphemeralPort

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

  readonly udpPort: UdpPortShape = { bind: (options) => this.bind(options ?? {}) }

  /** What a program needs to run on this host: its UDP, and entropy of its own. */
  get layer(): Layer.Layer<UdpPort | Entropy> {
    return Layer.merge(
      Layer.succeed(UdpPort, this.udpPort),
      Layer.succeed(Entropy, { randomBytes: this.random.bytes })
    )
  }

  get socketCount(): number {
    return this.sockets.length
  }

  get isTaking(): boolean {
    return this.taking
  }

  /** With false, every socket of the host is congested; with true, what they kept is sent and their owners are woken. */
  takeDatagrams(taking: boolean): void {
    this.taking = taking
    if (taking) for (const socket of [...this.sockets]) socket.release()
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
    this.addresses[index] = to
    this.routes = this.routes.map((route) => (route.source === from ? { ...route, source: to } : route))
    this.routing.changed()
  }

  receive(packet: SimPacket): void {
    if (packet.icmp !== undefined) {
      this.trace.record("arrived", packet)
      this.pathMtus.learn(packet.icmp.to.host, packet.icmp.mtu)
      this.socketAt(packet.icmp.from)?.hearTooBig(packet.icmp)
      return
    }
    const socket = this.socketAt(packet.to)
    if (socket === undefined) {
      this.trace.record("no socket", packet)
      return
    }
    this.trace.record("arrived", packet)
    socket.deliver(packet)
  }

  private socketAt({ host, port }: SocketAddress): SimUdpSocket | undefined {
    if (!this.addresses.includes(host)) return undefined
    return this.sockets.find(
      (socket) =>
        socket.localAddress.port === port && (socket.localAddress.host === host || socket.takesAnyAddress)
    )
  }

  /** Sends from a socket. */
  transmit(from: SimUdpSocket, bytes: Uint8Array, to: SocketAddress, ecn: EcnCodepoint): Transmission {
    const bound = from.takesAnyAddress ? undefined : from.localAddress.host
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
    if (isOwn) {
      this.timeline.at(this.timeline.nowNanos, () => this.receive(packet))
      return "sent"
    }
    if (route === undefined) {
      this.trace.record("no route", packet)
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
      this.routes.find((route) => route.link.to.owns(to.host) && usable(route)) ??
      this.routes.find((route) => route.destination === undefined && usable(route))
    )
  }

  private bind(options: UdpBindOptions): Effect.Effect<UdpSocket, UdpBindError, Scope.Scope> {
    return Effect.acquireRelease(
      Effect.suspend(() => {
        const host = options.host ?? "0.0.0.0"
        const port = options.port || this.freePort()
        const refusal = this.refusal(host, port)
        if (refusal !== undefined) return Effect.fail(refusal)
        const address: SocketAddress = { host, port, family: familyOf(host) }
        const socket = new SimUdpSocket(this, address, options)
        this.sockets.push(socket)
        return Effect.succeed(socket)
      }),
      (socket) =>
        Effect.sync(() => {
          this.sockets.splice(this.sockets.indexOf(socket), 1)
          socket.close()
        })
    )
  }

  private refusal(host: string, port: number): UdpBindError | undefined {
    const fail = (reason: UdpBindError["reason"], why: string): UdpBindError =>
      new UdpBindError({
        reason,
        host,
        port,
        message: `Cannot bind ${host} port ${port} on ${this.name}: ${why}`
      })
    if (!Number.isInteger(port) || port < 0 || port > 65_535) {
      return fail("InvalidAddress", "a port is a number between 0 and 65535")
    }
    if (!isWildcard(host) && !this.addresses.includes(host)) {
      return fail("AddressNotAvailable", `the host has only ${this.addresses.join(", ")}`)
    }
    const rival = this.sockets.some(
      ({ localAddress }) =>
        localAddress.port === port &&
        (localAddress.host === host || isWildcard(localAddress.host) || isWildcard(host))
    )
    return rival ? fail("AddressInUse", "another socket has this port") : undefined
  }

  private freePort(): number {
    while (this.sockets.some(({ localAddress }) => localAddress.port === this.nextPort)) this.nextPort++
    return this.nextPort++
  }
}
