import type { Holdings } from "../capability/treeNodes.ts"
import type { Connection } from "./Connection.ts"

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
