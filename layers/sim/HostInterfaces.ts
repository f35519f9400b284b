/** The addresses and routes of a host. */
import type { SocketAddress } from "../../src/wire/SocketAddress.ts"
import { familyOf } from "../udp/hostLiteral.ts"
import { checkAddress } from "./IpPrefix.ts"
import { PathMtus } from "./PathMtus.ts"
import { SimConfigError } from "./simConfig.ts"
import type { SimLink } from "./SimLink.ts"
import type { Timeline } from "./Timeline.ts"

/**
 * Packets from `source` to `destination` take `link`.
 *
 * @category models
 * @since 0.1.0
 */
export interface Route {
  /** An address of the host. */
  readonly source: string
  /** Undefined for any destination. */
  readonly destination: string | undefined
  /** One of the outgoing links of the host. */
  readonly link: SimLink
}

export class HostInterfaces {
  readonly addresses: Array<string>
  readonly links: Array<SimLink> = []
  /** What has been learned of the paths to others. */
  readonly pathMtus: PathMtus
  private routes: Array<Route> = []
  /** The address of each interface, up or down. */
  private readonly slots: Array<string>
  /** Addresses of interfaces that are down. */
  private readonly down = new Set<string>()
  private readonly watchers = new Set<() => void>()

  /** `what` names the configuration in errors. */
  constructor(what: string, addresses: ReadonlyArray<string>, timeline: Timeline) {
    for (const address of addresses) checkAddress(what, address)
    this.addresses = [...addresses]
    this.slots = [...addresses]
    this.pathMtus = new PathMtus(timeline)
  }

  owns(address: string): boolean {
    return this.addresses.includes(address)
  }

  /** `eth0` has the first address the host was given, and keeps its name when the address changes. */
  nameOf(address: string): string {
    return `eth${this.slots.indexOf(address)}`
  }

  /** Default routes are tried in the order they were added, others the latest first. */
  addRoute(route: Route, isDefault: boolean): void {
    if (isDefault) this.routes.push(route)
    else this.routes.unshift(route)
  }

  /** Changes the address of an interface from `from` to `to`. */
  change(what: string, from: string, to: string): void {
    checkAddress(what, to)
    const index = this.addresses.indexOf(from)
    if (index === -1) throw new SimConfigError(what, `has no address ${from}`)
    if (familyOf(from) !== familyOf(to))
      throw new SimConfigError(what, `cannot change ${from} to ${to}, which is of another address family`)
    if (this.owns(to)) throw new SimConfigError(what, `already has the address ${to}`)
    this.addresses[index] = to
    this.slots[this.slots.indexOf(from)] = to
    this.routes = this.routes.map((route) => (route.source === from ? { ...route, source: to } : route))
    this.tell()
  }

  /** The interface with this address goes down; false if none with it was up. */
  takeDown(address: string): boolean {
    const index = this.addresses.indexOf(address)
    if (index === -1) return false
    this.addresses.splice(index, 1)
    this.down.add(address)
    this.tell()
    return true
  }

  /** The interface with this address comes up again. */
  bringUp(address: string): void {
    if (!this.down.delete(address) || this.owns(address)) return
    this.addresses.push(address)
    this.tell()
  }

  /** Calls `look` after each change, until the returned function is called. */
  watch(look: () => void): () => void {
    this.watchers.add(look)
    return () => this.watchers.delete(look)
  }

  private tell(): void {
    for (const look of [...this.watchers]) look()
  }

  /** A route to the host itself, else over a link that leads there, else to anywhere; of equals the first. */
  routeTo(to: SocketAddress, source: string | undefined): Route | undefined {
    let near: Route | undefined
    let any: Route | undefined
    for (const route of this.routes) {
      if (!this.isUsable(route, to, source)) continue
      if (route.destination === to.host) return route
      if (near === undefined && route.link.leadsTo(to.host)) near = route
      if (any === undefined && route.destination === undefined) any = route
    }
    return near ?? any
  }

  private isUsable(route: Route, to: SocketAddress, source: string | undefined): boolean {
    return (
      (source === undefined || route.source === source) &&
      familyOf(route.source) === to.family &&
      this.owns(route.source)
    )
  }
}
