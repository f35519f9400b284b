/** What `effect-quic top --json` prints of a look. */
import { formatAddress } from "../wire/SocketAddress.ts"
import type { ConnectionRow, CountedKinds, EndpointRow, Rate, Seen } from "./topRates.ts"

const connection = ({ node, paths, streams, ...row }: ConnectionRow) => ({
  fiber: node.fiber,
  peer: row.peer,
  remote: formatAddress(node.remote),
  role: node.role,
  state: node.state,
  alpn: node.alpn,
  ageMillis: node.ageMillis,
  streams: streams.length,
  inBitsPerSecond: row.inBits,
  outBitsPerSecond: row.outBits,
  inDatagramsPerSecond: row.inDatagrams,
  outDatagramsPerSecond: row.outDatagrams,
  lossShare: row.lossShare,
  bonding: node.bonding,
  paths: paths.map((path) => ({
    id: path.node.id,
    state: path.node.state,
    carriesData: path.node.carriesData,
    isSilent: path.node.isSilent,
    inBitsPerSecond: path.inBits,
    outBitsPerSecond: path.outBits,
    smoothedRttMillis: path.node.smoothedRttMillis,
    congestionWindowBytes: path.node.congestionWindowBytes,
    lossShare: path.lossShare
  }))
})

const rates = (kinds: CountedKinds): Record<string, Rate> =>
  Object.fromEntries(Object.entries(kinds).map(([kind, { rate }]) => [kind, rate]))

const endpoint = ({ pid, command, node, elapsedMillis, totals, connections }: EndpointRow) => ({
  pid,
  command,
  local: formatAddress(node.local),
  ageMillis: node.ageMillis,
  elapsedMillis,
  perSecond: {
    bytesReceived: totals.inBytes.rate,
    bytesSent: totals.outBytes.rate,
    datagramsReceived: totals.inDatagrams.rate,
    datagramsSent: totals.outDatagrams.rate,
    packetsLost: totals.lostPackets.rate,
    handshakesCompleted: totals.handshakes.completed?.rate,
    dropped: rates(totals.dropped),
    statelessReplies: rates(totals.replies)
  },
  statistics: node.statistics,
  connections: connections.map(connection)
})

/** Rates are missing from an endpoint that was not there at the look before. */
export const topRecord = (seen: Seen) => ({ endpoints: seen.map(endpoint) })
