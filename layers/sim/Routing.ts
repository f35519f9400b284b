/** How routers know the way: by the shape of the network, the fewest links first. */
import type { SimEdge, SimNode } from "./SimPacket.ts"

/** Ways remembered per node. */
const maxRemembered = 4096

export class Routing {
  private known = new Map<SimNode, Map<string, SimEdge | undefined>>()

  /** To be called when a node, a link or an address has come or gone. */
  changed(): void {
    this.known = new Map()
  }

  /**
   * The first link on the way from `node` to `destination`: to the nearest link that leads to the address, or else to the
   * nearest gateway, which is the inside of a NAT, or else over the only link of an end; a gateway knows none of these. Among ways of the same length the one that was built first.
   */
  way(node: SimNode, destination: string): SimEdge | undefined {
    let ways = this.known.get(node)
    if (ways === undefined) {
      ways = new Map()
      this.known.set(node, ways)
    }
    if (ways.has(destination)) return ways.get(destination)
    const link = search(node, (link) => link.leadsTo(destination)) ?? defaultWay(node)
    if (ways.size === maxRemembered) ways.clear()
    ways.set(destination, link)
    return link
  }
}

const defaultWay = (node: SimNode): SimEdge | undefined => {
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
