/** Two nodes joined, one link each way. */
import { formatAddress, type SocketAddress } from "../../src/wire/SocketAddress.ts"
import { SimHost } from "./SimHost.ts"
import type { LinkConditions, SimLink } from "./SimLink.ts"

export class SimConnection {
  /** What faults call it. */
  readonly name: string
  /** From the first node named to the second. */
  readonly forward: SimLink
  readonly backward: SimLink
  private readonly secondAddress: string | undefined
  /** Outside address by inside address, and the other way round. */
  private readonly outside = new Map<string, SocketAddress>()
  private readonly inside = new Map<string, SocketAddress>()

  constructor(name: string, forward: SimLink, backward: SimLink, secondAddress: string | undefined) {
    this.name = name
    this.forward = forward
    this.backward = backward
    this.secondAddress = secondAddress
  }

  /** Changes conditions both ways. */
  set(conditions: Partial<LinkConditions>): void {
    this.forward.set(conditions)
    this.backward.set(conditions)
  }

  /**
   * As if the first host were behind a NAT whose binding has just changed: from now on the second host sees what
   * comes from `inside` as coming from `outside`, and what it sends anywhere else for `inside` is lost. For two hosts
   * joined directly; `SimNat.rebind` is the same with a NAT between them.
   */
  rebind(inside: SocketAddress, outside: SocketAddress): void {
    const second = this.forward.to
    const source = this.secondAddress
    if (!(second instanceof SimHost) || source === undefined) {
      throw new Error(`${this.name} does not lead to a host: rebind the NAT instead.`)
    }
    const previous = this.outside.get(formatAddress(inside))
    if (previous !== undefined) this.inside.delete(formatAddress(previous))
    this.outside.set(formatAddress(inside), outside)
    this.inside.set(formatAddress(outside), inside)
    second.addRoute({ source, destination: outside.host, link: this.backward })
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
