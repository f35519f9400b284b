import type { DroppedPackets, StatelessReplyCounts } from "../capability/EndpointStatistics.ts"
import { TraversalTotals } from "../nat/TraversalTotals.ts"

type Mutable<T> = { -readonly [Key in keyof T]: T[Key] }

/** What an endpoint counts of datagrams that reach no connection; connections count the rest. */
export class EndpointCounters {
  /** All datagrams, those of connections included. */
  datagramsReceived = 0
  bytesReceived = 0
  repliesSent = 0
  replyBytes = 0
  /** Of all connections. */
  readonly traversal = new TraversalTotals()
  readonly dropped: Mutable<DroppedPackets> = {
    rateLimited: 0,
    unauthentic: 0,
    duplicate: 0,
    malformed: 0,
    unknownConnection: 0,
    rejected: 0,
    keyUnavailable: 0
  }
  readonly replies: Mutable<StatelessReplyCounts> = {
    retry: 0,
    refusal: 0,
    versionNegotiation: 0,
    statelessReset: 0
  }
}
