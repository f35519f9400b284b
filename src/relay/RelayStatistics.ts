import type { RelayCounters } from "./RelayCounters.ts"
import type { RelayHub } from "./RelayHub.ts"

/**
 * What a relay has done since it started, and who is connected now.
 *
 * @category models
 * @since 0.1.0
 */
export interface RelayStatistics extends Readonly<RelayCounters> {
  /** Keys that are connected. */
  readonly clients: number
  /** Connections, of those keys and of strangers. */
  readonly connections: number
  /** Connections of strangers, which have not proved a key. */
  readonly pendingConnections: number
  /** Bytes that wait for clients which read too slowly. */
  readonly queuedBytes: number
}

export const statisticsOf = (hub: RelayHub): RelayStatistics => ({
  ...hub.counters,
  clients: hub.clients,
  connections: hub.connections,
  pendingConnections: hub.pendingConnections,
  queuedBytes: hub.queued.total
})
