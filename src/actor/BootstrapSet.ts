/** The bootstrap nodes of an endpoint: added and removed while it runs, each asked over the endpoint's own socket. */
import * as Effect from "effect/Effect"
import * as SubscriptionRef from "effect/SubscriptionRef"
import type { Observation } from "../nat/CandidateSource.ts"
import type { BootstrapNode } from "../nat/TraversalSettings.ts"
import { parseIp } from "../wire/ipAddress.ts"
import {
  type BootstrapConnection,
  type BootstrapHost,
  BootstrapLink,
  type Family,
  type LinkTarget
} from "./BootstrapLink.ts"
import type { EndpointActor } from "./EndpointActor.ts"
import { Changes } from "./Changes.ts"
import type { PeerState } from "./peerState.ts"

/** As many nodes are asked at the same time, besides relays. */
export const MAX_BOOTSTRAPS = 16

export class BootstrapSet {
  /** A node was added or removed, is connected or not any more, or tells another address. */
  readonly changes = new Changes()
  private readonly host: BootstrapHost
  /** By `nodeKey`; those of a node are in a list of their own. */
  private readonly nodes = new Map<string, ReadonlyArray<BootstrapLink>>()

  constructor(host: BootstrapHost) {
    this.host = host
  }

  get endpoint(): EndpointActor {
    return this.host.endpoint
  }

  /** Nodes that are none of the endpoint's relays. */
  get size(): number {
    return [...this.nodes.values()].filter(([link]) => link?.target.node.relay === undefined).length
  }

  /** In the order they were added. */
  get links(): ReadonlyArray<BootstrapLink> {
    return [...this.nodes.values()].flat()
  }

  has(node: BootstrapNode): boolean {
    return this.nodes.has(nodeKey(node))
  }

  /** What the nodes say of the endpoint's address, one of each that says something. */
  get observations(): ReadonlyArray<Observation> {
    return this.links.flatMap(({ observation }) => observation ?? [])
  }

  /** One was asked, and may answer in a moment. */
  get areAwaited(): boolean {
    return this.links.some(({ isAwaited }) => isAwaited)
  }

  /** The node must not be there already, and there must be room. */
  add(node: BootstrapNode): Effect.Effect<void> {
    const families = this.familiesOf(node)
    const states = Effect.forEach(families, () =>
      SubscriptionRef.make<PeerState<BootstrapConnection>>({ _tag: "Idle", reason: undefined })
    )
    return Effect.map(states, (each) => {
      const links = families.map((family, i) => this.connect({ node, family }, each[i]))
      this.nodes.set(nodeKey(node), links)
      this.changes.announce()
    })
  }

  /** Closes the connection; false if the node is not there. */
  remove(node: BootstrapNode): Effect.Effect<boolean> {
    return Effect.suspend(() => {
      const links = this.nodes.get(nodeKey(node))
      if (links === undefined) return Effect.succeed(false)
      this.nodes.delete(nodeKey(node))
      this.changes.announce()
      return Effect.as(
        Effect.forEach(links, ({ peer }) => peer.close(0, ""), { concurrency: "unbounded" }),
        true
      )
    })
  }

  /** The addresses that these nodes told are offered to a peer. */
  countCoordination(): void {
    for (const link of this.links) if (link.observation !== undefined) link.coordinations++
  }

  private connect(
    target: LinkTarget,
    state: SubscriptionRef.SubscriptionRef<PeerState<BootstrapConnection>>
  ): BootstrapLink {
    return new BootstrapLink(target, this.host, state, () => this.changes.announce())
  }

  /** A name may have addresses of both families, behind which are different NATs, or none. */
  private familiesOf({ host }: BootstrapNode): ReadonlyArray<Family> {
    const isName = parseIp(host) === undefined
    return isName && this.host.endpoint.socket.localAddress.host === "::" ? [4, 6] : [undefined]
  }
}

const nodeKey = ({ host, port }: BootstrapNode): string => `${port} ${host}`
