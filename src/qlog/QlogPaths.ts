import type { Connection } from "../connection/Connection.ts"
import type { ConnectionPath } from "../connection/ConnectionPath.ts"
import { formatAddress } from "../wire/SocketAddress.ts"
import { endpointFields } from "./migrationEvents.ts"

type EmitEvent = (name: string, data: object) => void

/** The last observed state of a path. */
interface Seen {
  state: string
  datagramBytes: number
  metrics: Readonly<Record<string, number | undefined>>
}

/**
 * The last observed state of the paths of a connection; `compare` emits changes since as events, which tell the path
 * unless it is that of the handshake. What qlog has no events for is in a namespace of its own.
 */
export class QlogPaths {
  private readonly emit: EmitEvent
  private readonly seen = new Map<number, Seen>()
  private bonding = "singlePath"

  constructor(emit: EmitEvent) {
    this.emit = emit
  }

  compare(connection: Connection): void {
    const { paths, multipath } = connection
    for (const path of paths) if (path.status.state !== "created") this.comparePath(connection, path)
    this.compareGone(connection)
    const { state } = multipath.bond
    if (state === this.bonding) return
    this.emit("multipath:bonding_state_updated", { old: this.bonding, new: state })
    this.bonding = state
  }

  private comparePath(connection: Connection, path: ConnectionPath): void {
    const of = pathField(path.id)
    let seen = this.seen.get(path.id)
    if (seen === undefined) {
      seen = { state: "created", datagramBytes: 0, metrics: {} }
      this.seen.set(path.id, seen)
      this.emit("quic:tuple_assigned", { ...tupleOf(connection, path), ...of })
    }
    if (seen.datagramBytes !== path.mtu.current) {
      const old = seen.datagramBytes
      seen.datagramBytes = path.mtu.current
      this.emit("quic:mtu_updated", { ...(old > 0 && { old }), new: path.mtu.current, ...of })
    }
    this.compareMetrics(path, seen)
    this.compareState(path, seen)
  }

  private compareState({ id, status }: ConnectionPath, seen: Seen): void {
    const state = status.isSuspect && status.isUsable ? "silent" : status.state
    // that of the handshake begins as the only one
    if (state === seen.state || (id === 0 && seen.state === "created")) return void (seen.state = state)
    const { abandonment } = status
    const initiator = abandonment && { initiator: abandonment.by === "peer" ? "remote" : "local" }
    const error = abandonment && { error_code: abandonment.code }
    this.emit("multipath:path_state_updated", {
      path_id: id,
      old: seen.state,
      new: state,
      ...initiator,
      ...error
    })
    seen.state = state
  }

  private compareMetrics({ id, recovery }: ConnectionPath, seen: Seen): void {
    const { rtt } = recovery
    const now: Readonly<Record<string, number | undefined>> = {
      ...(rtt.hasSample && {
        min_rtt: rtt.minMicros / 1000,
        smoothed_rtt: rtt.smoothedMicros / 1000,
        latest_rtt: rtt.latestMicros / 1000,
        rtt_variance: rtt.variationMicros / 1000
      }),
      pto_count: recovery.ptoCount,
      congestion_window: Math.floor(recovery.congestionWindow),
      bytes_in_flight: recovery.bytesInFlight,
      // bits per second; infinite before the first round trip is known
      ...(Number.isFinite(recovery.pacingRate) && { pacing_rate: Math.floor(recovery.pacingRate * 8e6) })
    }
    const changed = Object.entries(now).filter(([name, value]) => value !== seen.metrics[name])
    if (changed.length === 0) return
    seen.metrics = now
    this.emit("quic:recovery_metrics_updated", { ...Object.fromEntries(changed), ...pathField(id) })
  }

  private compareGone({ paths }: Connection): void {
    for (const [id, { state }] of this.seen) {
      if (paths.byId(id) !== undefined) continue
      this.seen.delete(id)
      this.emit("multipath:path_state_updated", { path_id: id, old: state, new: "failed" })
    }
  }
}

/** Of what is about the path of the handshake, nothing: so it is without multipath. */
export const pathField = (id: number) => (id === 0 ? undefined : { path_id: id })

/** The tuple of the handshake has an empty ID. qlog-quic-events §4.5 */
const tupleOf = ({ config }: Connection, { id, routes, remote }: ConnectionPath): object => {
  if (id === 0) return { tuple_id: "", tuple_remote: endpointFields(remote) }
  const local = config.addressOf(routes.current.socket)
  return {
    tuple_id: `${formatAddress(local)} ${formatAddress(remote)}`,
    tuple_remote: endpointFields(remote),
    tuple_local: endpointFields(local)
  }
}
