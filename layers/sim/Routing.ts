/** Shortest-path routing by number of links. */
import type { SimEdge, SimNode } from "./SimPacket.ts"

/** Cached routes per node. */
const maxRemembered = 4096

export class Routing {
  /** The hosts by name. */
  readonly hosts = new Map<string, { readonly addresses: ReadonlyArray<string> }>()
  private known = new Map<SimNode, Map<string, SimEdge | undefined>>()

  /** Call after a node, link or address was added or removed. */
  changed(): void {
    this.known = new Map()
  }

  /**
   * The first link from `node` toward `destination`: to the nearest link that leads to the address, else to the nearest
   * gateway (the inside of a NAT), else over the only link of a leaf node. Gateways themselves use only the first rule. Of
   * equally short routes the one built first is used.
   */
  way(node: SimNode, destination: string): SimEdge | undefined {
    let ways = this.known.get(node)
    if (ways === undefined) {
      ways = new Map()
      this.known.set(node, ways)
    }
    if (ways.has(destination)) return ways.get(destination)
    const link = search(node, (link) => link.leadsTo(destination)) ?? defaultRoute(node)
    if (ways.size === maxRemembered) ways.clear()
    ways.set(destination, link)
    return link
  }
}

const defaultRoute = (node: SimNode): SimEdge | undefined => {
  if (node.isGateway) return undefined
  const gateway = search(node, (link) => link.to.isGateway)
  return gateway ?? (node.isRouter || node.links.length !== 1 ? undefined : node.links[0])
}

const search = (start: SimNode, isLast: (link: SimEdge) => boolean): SimEdge | undefined => {
  const seen = new Set<SimNode>([start])
  let edge = start.links.map((link) => ({ link, first: link }))
  while (edge.length > 0) {
    const next: typeof edge = []
    for (const { link, first } of edge) {
      if (isLast(link)) return first
      if (seen.has(link.to)) continue
      seen.add(link.to)
      if (link.to.isRouter) for (const onward of link.to.links) next.push({ link: onward, first })
    }
    edge = next
  }
  return undefined
}
