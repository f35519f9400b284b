/** Starts what an endpoint needs to learn its own addresses, and to tell others theirs. */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type { BootstrapConnection } from "./actor/BootstrapLink.ts"
import { askBorrowedRelays } from "./actor/askBorrowedRelays.ts"
import { BootstrapSet } from "./actor/BootstrapSet.ts"
import type { DialSettings } from "./actor/dial.ts"
import { OwnCandidates } from "./actor/OwnCandidates.ts"
import type { RelayLinks } from "./actor/RelayLinks.ts"
import { serveAddressDiscovery } from "./actor/serveAddressDiscovery.ts"
import { bootstrapDial } from "./bootstrapDial.ts"
import { Bootstraps } from "./Bootstraps.ts"
import { NetworkInterfaces } from "./capability/NetworkInterfaces.ts"
import type { RelayPortShape } from "./capability/RelayPort.ts"
import { endpointProbeLimits, ProbeBudget } from "./nat/ProbeBudget.ts"
import { DISCOVERY_ALPN, type TraversalSettings } from "./nat/TraversalSettings.ts"
import { discoveryNode } from "./RelayOptions.ts"
import type { SettingsContext } from "./serverSettings.ts"

export const startTraversal = Effect.fnUntraced(function* (
  dialing: DialSettings<BootstrapConnection>,
  settings: TraversalSettings | undefined,
  context: SettingsContext,
  relays: RelayPortShape | undefined,
  links: RelayLinks | undefined
) {
  const { endpoint } = dialing
  const nodes = new BootstrapSet({
    endpoint,
    dial: bootstrapDial(dialing, settings?.discoveryAlpn ?? DISCOVERY_ALPN, context, relays)
  })
  if (settings === undefined) return new Bootstraps(nodes)
  if (settings.role === "bootstrap") serveAddressDiscovery(endpoint)
  const interfaces = Option.getOrUndefined(yield* Effect.serviceOption(NetworkInterfaces))
  const budget = new ProbeBudget(endpointProbeLimits)
  endpoint.core.counters.traversal.probes = budget.counters
  endpoint.traversal = {
    settings,
    candidates: new OwnCandidates(endpoint, nodes, interfaces),
    budget,
    random: context.randomBytes,
    records: new WeakMap()
  }
  for (const node of settings.bootstraps) yield* nodes.add(node)
  if (links !== undefined && settings.role !== "bootstrap") askBorrowedRelays(nodes, links, discoveryNode)
  return new Bootstraps(nodes)
})
