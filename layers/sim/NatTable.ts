/** The mapping table of a NAT: inside to outside endpoints, and the remotes permitted to send to them. */
import { formatAddress, type SocketAddress } from "../../src/wire/SocketAddress.ts"
import type { Dependence, NatBehaviour } from "./natBehaviour.ts"
import type { SeededRandom } from "./SeededRandom.ts"
import type { Timeline } from "./Timeline.ts"

/** Maximum permitted remotes per mapping; the least recently used is dropped. */
const maxPermitted = 1024

export class NatMapping {
  readonly inside: SocketAddress
  readonly outside: SocketAddress
  /** Its key in the table. */
  readonly key: string
  usedNanos: number
  /** When each permitted remote was last sent to. */
  readonly permitted = new Map<string, number>()

  constructor(inside: SocketAddress, outside: SocketAddress, key: string, nowNanos: number) {
    this.inside = inside
    this.outside = outside
    this.key = key
    this.usedNanos = nowNanos
  }

  permit(remote: string, nowNanos: number): void {
    this.permitted.delete(remote)
    if (this.permitted.size === maxPermitted) {
      const [oldest] = this.permitted.keys()
      this.permitted.delete(oldest)
    }
    this.permitted.set(remote, nowNanos)
  }
}

/** The part of `remote` that the decision depends on. */
const partOf = (dependence: Dependence, remote: SocketAddress): string => {
  switch (dependence) {
    case "endpointIndependent":
      return ""
    case "addressDependent":
      return remote.host
    case "addressAndPortDependent":
      return formatAddress(remote)
  }
}

export class NatTable {
  private readonly behaviour: NatBehaviour
  private readonly timeoutNanos: number
  private readonly timeline: Timeline
  private readonly random: SeededRandom
  private readonly byInside = new Map<string, NatMapping>()
  private readonly byOutside = new Map<string, NatMapping>()
  /** Outside endpoints removed by the last rebinding; not reused until the next one. */
  private retired = new Set<string>()
  private nextPort: number
  /** No mapping times out before this, as of the last sweep. */
  private nextTimeoutNanos = 0

  constructor(behaviour: NatBehaviour, timeline: Timeline, random: SeededRandom) {
    this.behaviour = behaviour
    this.timeoutNanos = behaviour.mappingTimeoutMillis * 1e6
    this.timeline = timeline
    this.random = random
    this.nextPort = behaviour.firstPort
  }

  /** The mappings not timed out, oldest first. */
  get mappings(): ReadonlyArray<NatMapping> {
    return [...this.byInside.values()].filter((mapping) => this.isAlive(mapping))
  }

  /** The existing mapping for a packet from `inside` to `remote`. */
  find(inside: SocketAddress, remote: SocketAddress): NatMapping | undefined {
    return this.alive(this.byInside.get(this.keyOf(inside, remote)))
  }

  findOutside(outside: SocketAddress): NatMapping | undefined {
    return this.alive(this.byOutside.get(formatAddress(outside)))
  }

  /**
   * The mapping for a packet from `inside` to `remote`, created on `outsideHost` if necessary; permits `remote` to reply.
   * Undefined if the table is full or no port is free.
   */
  open(inside: SocketAddress, remote: SocketAddress, outsideHost: string): NatMapping | undefined {
    const { nowNanos } = this.timeline
    const mapping = this.find(inside, remote) ?? this.create(inside, remote, outsideHost)
    if (mapping === undefined) return undefined
    mapping.usedNanos = nowNanos
    mapping.permit(partOf(this.behaviour.filtering, remote), nowNanos)
    return mapping
  }

  /** Whether `remote` may send to the mapping. If so, refreshes it if inbound traffic does. */
  admits(mapping: NatMapping, remote: SocketAddress): boolean {
    const { nowNanos } = this.timeline
    const part = partOf(this.behaviour.filtering, remote)
    const sinceNanos = mapping.permitted.get(part)
    // Without filtering, permissions do not expire before the mapping.
    const isOpen = this.behaviour.filtering === "endpointIndependent"
    if (!isOpen && (sinceNanos === undefined || nowNanos - sinceNanos >= this.timeoutNanos)) return false
    if (this.behaviour.inboundRefresh) {
      mapping.usedNanos = nowNanos
      mapping.permit(part, nowNanos)
    }
    return true
  }

  /** Drops all mappings; their outside endpoints are not reused until the next call. */
  clear(): void {
    this.retired = new Set(this.byOutside.keys())
    this.byInside.clear()
    this.byOutside.clear()
  }

  private create(inside: SocketAddress, remote: SocketAddress, host: string): NatMapping | undefined {
    const isFull = this.byInside.size >= this.behaviour.maxMappings
    if (isFull && this.timeline.nowNanos >= this.nextTimeoutNanos) this.sweep()
    if (this.byInside.size >= this.behaviour.maxMappings) return undefined
    const port = this.freePort(inside.port, host, inside.family)
    if (port === undefined) return undefined
    const outside: SocketAddress = { host, port, family: inside.family }
    const key = this.keyOf(inside, remote)
    const mapping = new NatMapping(inside, outside, key, this.timeline.nowNanos)
    this.byInside.set(key, mapping)
    this.byOutside.set(formatAddress(outside), mapping)
    return mapping
  }

  private freePort(wanted: number, host: string, family: 4 | 6): number | undefined {
    const { firstPort, lastPort, ports } = this.behaviour
    const count = lastPort - firstPort + 1
    const isFree = (port: number): boolean => {
      const address = { host, port, family }
      return !this.retired.has(formatAddress(address)) && this.findOutside(address) === undefined
    }
    if (ports === "preserving" && wanted >= firstPort && wanted <= lastPort && isFree(wanted)) return wanted
    const start = ports === "random" ? firstPort + this.random.below(count) : this.nextPort + this.skipped
    for (let i = 0; i < count; i++) {
      const port = firstPort + ((start - firstPort + i) % count)
      if (!isFree(port)) continue
      this.nextPort = port === lastPort ? firstPort : port + 1
      return port
    }
    return undefined
  }

  private get skipped(): number {
    const { ports, skippedPorts } = this.behaviour
    return ports === "sequential" && skippedPorts > 0 ? this.random.below(skippedPorts + 1) : 0
  }

  private keyOf(inside: SocketAddress, remote: SocketAddress): string {
    return `${formatAddress(inside)} ${partOf(this.behaviour.mapping, remote)}`
  }

  private isAlive(mapping: NatMapping): boolean {
    return this.timeline.nowNanos - mapping.usedNanos < this.timeoutNanos
  }

  private alive(mapping: NatMapping | undefined): NatMapping | undefined {
    if (mapping === undefined || this.isAlive(mapping)) return mapping
    this.forget(mapping)
    return undefined
  }

  private sweep(): void {
    let oldest = this.timeline.nowNanos
    for (const mapping of [...this.byInside.values()]) {
      if (this.isAlive(mapping)) oldest = Math.min(oldest, mapping.usedNanos)
      else this.forget(mapping)
    }
    this.nextTimeoutNanos = oldest + this.timeoutNanos
  }

  private forget(mapping: NatMapping): void {
    this.byInside.delete(mapping.key)
    this.byOutside.delete(formatAddress(mapping.outside))
  }
}
