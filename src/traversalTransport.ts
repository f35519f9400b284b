/** What connections need of the transport to find direct paths. */
import type { CheckedTransportOptions, TransportOptions } from "./QuicOptions.ts"
import { forDiscovery, type ServerSettings } from "./serverSettings.ts"
import { PATHS_WITH_RELAY } from "./relaySettings.ts"
import type { TraversalSettings } from "./nat/TraversalSettings.ts"

/** As many as one byte on the wire can say, which iroh's peers insist on. */
const MAX_REMOTE_CANDIDATES = 63

/** Defaults beneath what an application says itself. */
export const traversalTransport = (
  settings: TraversalSettings | undefined
): Partial<CheckedTransportOptions> =>
  settings === undefined || settings.role === "bootstrap"
    ? {}
    : {
        maxPaths: PATHS_WITH_RELAY,
        maxRemoteCandidates: Math.min(MAX_REMOTE_CANDIDATES, settings.maxCandidates),
        addressDiscovery: "both"
      }

/** The settings of a server; `given` is what its application says itself. */
export const forTraversal = (
  server: ServerSettings,
  settings: TraversalSettings | undefined,
  given: TransportOptions = {}
): ServerSettings =>
  settings?.role === "bootstrap"
    ? forDiscovery(server)
    : {
        ...server,
        transport: { ...server.transport, ...traversalTransport(settings), ...checked(server, given) }
      }

/** Of what was given, as it was checked. */
const checked = ({ transport }: ServerSettings, given: TransportOptions): Partial<CheckedTransportOptions> =>
  Object.fromEntries(Object.entries(transport).filter(([name]) => name in given))
