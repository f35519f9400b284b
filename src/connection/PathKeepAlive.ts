import type { Role } from "../wire/Role.ts"
import type { ConnectionPath } from "./ConnectionPath.ts"
import type { PathSet } from "./PathSet.ts"

/** Two looks within 15 seconds, half of what NATs remember a silent path for at least. RFC 9000 §10.1.2 */
const LOOK_MICROS = 7_500_000

/** What is known of a path since it was last looked at. */
interface Seen {
  readonly datagramsSent: number
  /** How much the connection had carried when the path was last asked for an answer. */
  readonly carried: number
}

/** The connection whose paths are kept alive. */
export interface KeptConnection {
  readonly config: { readonly role: Role; readonly transport: { readonly keepAliveIntervalMillis: number } }
  readonly paths: PathSet
  readonly frames: { readonly dataPackets: number; pingOn(path: ConnectionPath): void }
  readonly strikes: { readonly useful: number }
}

/**
 * Sends a PING on each path that was not used for 15 seconds, so that a NAT does not forget a backup before it is needed,
 * and one that has died is known to have. draft-ietf-quic-multipath §5.9
 *
 * A client does, as NATs are on its side. It does as long as the connection is used: one that carries nothing itself, and
 * is not to be kept alive, must become idle.
 */
export class PathKeepAlive {
  /** When `look` is due. */
  deadlineMicros = Number.POSITIVE_INFINITY
  private readonly connection: KeptConnection
  private readonly seen = new WeakMap<ConnectionPath, Seen>()

  constructor(connection: KeptConnection) {
    this.connection = connection
  }

  /** There is another path. */
  start(nowMicros: number): void {
    if (this.connection.config.role === "client" && this.deadlineMicros === Number.POSITIVE_INFINITY)
      this.deadlineMicros = nowMicros + LOOK_MICROS
  }

  look(nowMicros: number): void {
    if (nowMicros < this.deadlineMicros) return
    const { open } = this.connection.paths
    this.deadlineMicros = open.length < 2 ? Number.POSITIVE_INFINITY : nowMicros + LOOK_MICROS
    if (open.length >= 2) for (const path of open) this.lookAt(path)
  }

  private lookAt(path: ConnectionPath): void {
    const { frames, strikes, config } = this.connection
    const { datagramsSent } = path.traffic
    const { datagramsSent: before = -1, carried: then = -1 } = this.seen.get(path) ?? {}
    const carried = frames.dataPackets + strikes.useful
    const isSilent = datagramsSent === before && path.recovery.packetsInFlight === 0
    const isWorthIt = carried > then || config.transport.keepAliveIntervalMillis > 0
    const asks = path.status.isUsable && isSilent && isWorthIt
    if (asks) frames.pingOn(path)
    this.seen.set(path, { datagramsSent, carried: asks ? carried : then })
  }
}
