/** How routers know the way: by the shape of the network, the fewest links first. */
import type { SimLink } from "./SimLink.ts"
import type { SimNode } from "./SimPacket.ts"

/** Ways remembered per node. */
const maxRemembered = 4096

export class Routing {
  private known = new Map<SimNode, Map<string, SimLink | undefined>>()

  /** To be called when a node, a link or an address has come or gone. */
  changed(): void {
    this.known = new Map()
  }

  /**
   * The first link on the way from `node` to `destination`: to the nearest node that owns the address, or else to the
   * nearest gateway, which is the inside of a NAT, or else over the only link of an end; a gateway knows none of these. Among ways of the same length the one that was built first.
   */
  way(node: SimNode, destination: string): SimLink | undefined {
    let ways = this.known.get(node)
    if (ways === undefined) {
      ways = new Map()
      this.known.set(node, ways)
    }
    if (ways.has(destination)) return ways.get(destination)
    const link = search(node, (other) => other.owns(destination)) ?? defaultWay(node)
    if (ways.size === maxRemembered) ways.clear()
    ways.set(destination, link)
    return link
  }
}

const defaultWay = (node: SimNode): SimLink | undefined => {
  if (node.isGateway) return undefined
  const gateway = search(node, (other) => other.isGateway)
  return gateway ?? (node.isRouter || node.links.length !== 1 ? undefined : node.links[0])
}

const search = (start: SimNode, isGoal: (node: SimNode) => boolean): SimLink | undefined => {
  const seen = new Set<SimNode>([start])
  let edge = start.links.map((link) => ({ node: link.to, first: link }))
  while (edge.length > 0) {
    const next: typeof edge = []
    for (const { node, first } of edge) {
      if (seen.has(node)) continue
      seen.add(node)
      if (isGoal(node)) return first
      if (node.isRouter) for (const link of node.links) next.push({ node: link.to, first })
    }
    edge = next
  }
  return undefined
}
