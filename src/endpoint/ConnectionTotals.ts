import type { CloseCounts } from "../capability/EndpointStatistics.ts"
import type { Connection } from "../connection/Connection.ts"
import type { CloseReason } from "../connection/lifecycle.ts"

/** Sums over connections of what each of them counts, so that nothing is counted twice for a packet. */
export class ConnectionTotals {
  datagramsSent = 0
  bytesSent = 0
  packetsReceived = 0
  packetsSent = 0
  packetsLost = 0
  bytesLost = 0
  rateLimited = 0
  duplicate = 0
  unauthentic = 0
  malformed = 0
  rejected = 0
  keyUnavailable = 0
  handshakesCompleted = 0
  handshakesFailed = 0
  strikes = 0
  readonly closes: Record<keyof CloseCounts, number>

  /** Starts from zero, or from `base`. */
  constructor(base?: ConnectionTotals) {
    this.closes = { ...(base === undefined ? noCloses : base.closes) }
    if (base !== undefined) Object.assign(this, { ...base, closes: this.closes })
  }

  add(connection: Connection): void {
    const { parts, receiver, paths, handshake, closeReason } = connection
    const { totals } = paths
    this.datagramsSent += totals.datagramsSent
    this.bytesSent += totals.bytesSent
    this.packetsSent += totals.packetsSent
    this.packetsLost += totals.packetsLost
    this.bytesLost += totals.bytesLost
    const { counters } = receiver
    this.packetsReceived += counters.received
    this.rateLimited += counters.overLimit
    this.duplicate += counters.duplicates
    this.unauthentic += counters.undecryptable
    this.malformed += counters.malformed
    this.rejected += counters.rejected
    this.keyUnavailable += counters.withoutKeys
    this.strikes += parts.strikes.total
    if (handshake.complete) this.handshakesCompleted++
    else if (closeReason !== undefined) this.handshakesFailed++
    if (closeReason !== undefined) this.closes[kindOfClose(closeReason, parts.strikes.isOut)]++
  }
}

const noCloses: CloseCounts = {
  localApplication: 0,
  peerApplication: 0,
  localTransport: 0,
  localStrikes: 0,
  peerTransport: 0,
  localAlert: 0,
  peerAlert: 0,
  idleTimeout: 0,
  handshakeTimeout: 0,
  statelessReset: 0,
  versionNegotiation: 0
}

const kindOfClose = ({ origin, application, code }: CloseReason, isOut: boolean): keyof CloseCounts => {
  if (origin !== "local" && origin !== "peer") return origin
  if (application) return `${origin}Application`
  if (origin === "local" && isOut) return "localStrikes"
  // RFC 9001 §4.8
  return code >= 0x100 && code <= 0x1ff ? `${origin}Alert` : `${origin}Transport`
}
