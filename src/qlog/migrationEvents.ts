import type { MigrationEntry } from "../connection/MigrationEntry.ts"
import { formatAddress, type SocketAddress } from "../wire/SocketAddress.ts"

type Entry = Omit<MigrationEntry, "qlog">

/** An address in qlog notation. qlog-quic-events §8.5 */
export const endpointFields = ({ host, port, family }: SocketAddress) =>
  family === 4 ? { ip_v4: host, port_v4: port } : { ip_v6: host, port_v6: port }

/**
 * An entry of the migration trace as qlog events, by name. The last one stands for the entry. qlog-quic-events §4.7,
 * §5.20, §6.1
 */
export const migrationEvents = (
  entry: Entry,
  isInUse: boolean
): ReadonlyArray<readonly [name: string, data: object]> => {
  const { _tag, number, to, reason, outcome, keyPhase } = entry
  if (_tag === "KeyUpdate")
    return ["client", "server"].map((sender) => [
      "key_updated",
      {
        key_type: `${sender}_1rtt_secret`,
        key_phase: keyPhase,
        trigger: outcome === "Initiated" ? "local_update" : "remote_update"
      }
    ])
  const ends = { tuple_remote: endpointFields(to.remote), tuple_local: endpointFields(to.local) }
  const tuple_id = `${formatAddress(to.local)} ${formatAddress(to.remote)}`
  const assigned = ["tuple_assigned", { tuple_id, ...ends }] as const
  const updated = [
    "migration_state_updated",
    { new: stateOf(entry, isInUse), tuple_id, number, reason, outcome }
  ] as const
  return _tag === "Requested" ? [assigned, updated] : [updated]
}

const stateOf = ({ _tag, outcome }: Entry, isInUse: boolean): string => {
  switch (_tag) {
    case "Rejected":
      return isInUse ? "migration_abandoned" : "probing_abandoned"
    case "Requested":
      return "probing_started"
    default:
      if (outcome === "Complete") return "migration_complete"
      return outcome === "Pending" ? "probing_successful" : "migration_started"
  }
}
