import type { EndpointStatistics } from "../capability/EndpointStatistics.ts"
import { ConnectionTotals } from "./ConnectionTotals.ts"
import type { Endpoint } from "./Endpoint.ts"

/** Reads the counters of an endpoint and of its connections. */
export const endpointStatistics = ({
  connections,
  counters,
  past,
  incoming
}: Endpoint): EndpointStatistics => {
  const totals = new ConnectionTotals(past)
  let connectionsActive = 0
  let handshaking = incoming?.strangers ?? 0
  let reorderBufferBytes = 0
  for (const connection of connections) {
    totals.add(connection)
    const { state } = connection.lifecycle
    if (state === "established") connectionsActive++
    // those of a server's clients are among the strangers
    if (state === "handshaking" && connection.config.role === "client") handshaking++
    reorderBufferBytes += connection.streams.reorderBytes + connection.crypto.reorderBytes
  }
  const { dropped, replies, traversal } = counters
  const { probes } = traversal
  return {
    datagramsReceived: counters.datagramsReceived,
    datagramsSent: totals.datagramsSent + counters.repliesSent,
    bytesReceived: counters.bytesReceived,
    bytesSent: totals.bytesSent + counters.replyBytes,
    packetsReceived: totals.packetsReceived,
    packetsSent: totals.packetsSent,
    packetsLost: totals.packetsLost,
    bytesLost: totals.bytesLost,
    dropped: {
      ...dropped,
      rateLimited: dropped.rateLimited + totals.rateLimited,
      unauthentic: dropped.unauthentic + totals.unauthentic,
      duplicate: dropped.duplicate + totals.duplicate,
      malformed: dropped.malformed + totals.malformed,
      rejected: dropped.rejected + totals.rejected,
      keyUnavailable: dropped.keyUnavailable + totals.keyUnavailable
    },
    statelessReplies: { ...replies },
    handshakes: {
      inFlight: handshaking,
      completed: totals.handshakesCompleted,
      failed: totals.handshakesFailed
    },
    connectionsActive,
    strikes: totals.strikes,
    closes: { ...totals.closes },
    traversal: {
      attempts: traversal.attempts,
      successes: traversal.successes,
      direct: traversal.direct,
      relayed: traversal.relayed,
      coordinations: traversal.coordinations,
      coordinationMillis: traversal.coordinationMicros / 1000,
      probes: {
        sent: probes.probes,
        bytes: probes.bytes,
        answered: probes.answered,
        addresses: probes.addresses,
        refused: { ...probes.refused }
      }
    },
    reorderBufferBytes
  }
}
