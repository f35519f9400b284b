/** Asks the relays of dialed peers, too, which address this endpoint has from outside: for as long as they are used. */
import * as Effect from "effect/Effect"
import type { BootstrapNode } from "../nat/TraversalSettings.ts"
import type { BootstrapSet } from "./BootstrapSet.ts"
import type { RelayLinks } from "./RelayLinks.ts"

export const askBorrowedRelays = (
  nodes: BootstrapSet,
  links: RelayLinks,
  nodeOf: (url: string) => BootstrapNode
): void => {
  /** By URL; undefined for one that is asked already for another reason. */
  const asked = new Map<string, BootstrapNode | undefined>()
  const follow: Effect.Effect<void> = Effect.suspend(() => {
    const borrowed = links.borrowed
    const gone = [...asked].find(([url]) => !borrowed.some((relay) => relay.url === url))
    if (gone !== undefined) {
      const [url, node] = gone
      asked.delete(url)
      if (node === undefined) return follow
      // another relay of the same host may be the reason now
      for (const [other, its] of asked) if (its === undefined) asked.delete(other)
      return Effect.andThen(nodes.remove(node), follow)
    }
    // a ticket may name any host: only one that has proven to be a relay is asked
    const fresh = borrowed.find(({ url, link }) => link !== undefined && !asked.has(url))
    if (fresh === undefined) return links.changed.parkThen(follow)
    const node = nodeOf(fresh.url)
    const isNew = !nodes.has(node)
    asked.set(fresh.url, isNew ? node : undefined)
    return isNew ? Effect.andThen(nodes.add(node), follow) : follow
  })
  const { endpoint } = nodes
  endpoint.branch.fork(follow, (cause) =>
    endpoint.report("the relays of peers are not asked for addresses any more", cause)
  )
}
