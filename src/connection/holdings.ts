import type { Connection } from "./Connection.ts"

/** What a connection holds at one moment: how a leak would show. Counts and bytes. */
export interface Holdings {
  /** Streams not ended both ways. */
  readonly streams: number
  /** Accepted from the application, or made by TLS, and not acknowledged yet. */
  readonly sendBufferBytes: number
  /** Received and not read, with what waits behind gaps. */
  readonly receiveBufferBytes: number
  readonly datagramBytes: number
  /** Asking for an ACK, sent, and neither acknowledged nor lost. */
  readonly packetsInFlight: number
  /** IDs the peer can reach this side by, and those of the peer kept in store. */
  readonly localConnectionIds: number
  readonly peerConnectionIds: number
  readonly routes: number
  /** What may still be sent by the peer's flow control, and what the peer may send by ours. RFC 9000 §4.1 */
  readonly sendCreditBytes: number
  readonly receiveCreditBytes: number
  /** Received, or announced by a reset, and not given back to the peer as credit: it is still to be read. */
  readonly owedCreditBytes: number
  /** How many more streams the peer lets this side open, and this side the peer, of both kinds. RFC 9000 §4.6 */
  readonly openableStreams: number
  readonly grantedStreams: number
  /** Opened by the peer and not closed: it is not allowed others in their place yet. */
  readonly owedStreams: number
}

export const holdings = ({ streams, crypto, datagrams, paths }: Connection): Holdings => {
  const stats = streams.stats()
  let packetsInFlight = 0
  let localConnectionIds = 0
  let peerConnectionIds = 0
  let routes = 0
  for (const path of paths) {
    packetsInFlight += path.recovery.packetsInFlight
    localConnectionIds += path.localIds.count
    peerConnectionIds += path.peerIds.count
    routes += path.routes.all.length
  }
  return {
    streams: stats.open,
    sendBufferBytes: stats.sendBuffered + crypto.sendBufferBytes,
    receiveBufferBytes: stats.receiveAllocated + crypto.receiveBufferBytes,
    datagramBytes: datagrams.queuedBytes,
    packetsInFlight,
    localConnectionIds,
    peerConnectionIds,
    routes,
    sendCreditBytes: stats.sendCreditLimit - stats.sendCreditUsed,
    receiveCreditBytes: stats.receiveLimit - stats.received,
    owedCreditBytes: stats.received - stats.consumed,
    openableStreams: stats.openable,
    grantedStreams: stats.granted,
    owedStreams: stats.owed
  }
}
