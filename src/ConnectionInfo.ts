/** What a connection tells about itself: what was negotiated, and how it has fared. */
import type { PeerCertificate } from "./capability/CertificateVerifier.ts"
import type { NamedGroup } from "./capability/CryptoSuite.ts"
import type { Connection } from "./connection/Connection.ts"
import { cipherSuites } from "./protect/CipherSuite.ts"
import type { Version } from "./wire/PacketType.ts"

/** What the handshake settled. */
export interface ConnectionFacts {
  readonly version: Version
  /** For example `TLS_AES_128_GCM_SHA256`. */
  readonly cipherSuite: string
  readonly group: NamedGroup
  readonly alpn: string
  readonly serverName: string | undefined
  /** What the peer proved to hold, now or in the session that is resumed; undefined for a client that was not asked. */
  readonly peer: PeerCertificate | undefined
  /** A session ticket stood in for certificates. Before the handshake is complete: if the server goes along. */
  readonly resumed: boolean
  /** What became of 0-RTT: `"none"` when it was not tried, `"pending"` until the server has decided. */
  readonly earlyData: "none" | "pending" | "accepted" | "rejected"
}

/** A snapshot; sizes in bytes, times in milliseconds, counts since the start. */
export interface ConnectionStats {
  readonly smoothedRttMillis: number
  readonly minRttMillis: number
  readonly congestionWindowBytes: number
  readonly bytesInFlight: number
  readonly datagramBytes: number
  readonly bytesSent: number
  readonly bytesReceived: number
  readonly datagramsSent: number
  readonly datagramsReceived: number
  readonly packetsSent: number
  readonly packetsReceived: number
  readonly packetsLost: number
  readonly bytesLost: number
  /** Received, but not ours, malformed, duplicate or not authentic. */
  readonly packetsDropped: number
  /** Datagrams (RFC 9221) that newer ones took the place of, before they were sent or read. */
  readonly sendDatagramsDropped: number
  readonly receiveDatagramsDropped: number
  readonly probeTimeouts: number
  readonly keyUpdates: number
  /** Times that loss, or the network's ECN marks, made the sender slow down. */
  readonly congestionEvents: number
  /** Whether packets carry ECN marks: being found out, or settled. RFC 9000 §13.4.2 */
  readonly ecn: "testing" | "unknown" | "capable" | "failed"
}

export const connectionFacts = (core: Connection): ConnectionFacts => {
  const facts = core.handshake.facts!
  return {
    version: core.versions.negotiated,
    cipherSuite: cipherSuites.get(facts.cipherSuite)!.name,
    group: facts.group,
    alpn: facts.alpn,
    serverName: facts.serverName,
    resumed: facts.resumed,
    earlyData: facts.earlyData,
    peer:
      facts.peer === undefined
        ? undefined
        : facts.peer._tag === "x509"
          ? { _tag: "x509", chain: facts.peer.chain }
          : { _tag: "rawPublicKey", spki: facts.peer.spki }
  }
}

export const connectionStats = (core: Connection): ConnectionStats => {
  const { path } = core
  const { recovery } = path
  const { counters } = core.receiver
  return {
    smoothedRttMillis: recovery.rtt.smoothedMicros / 1000,
    minRttMillis: recovery.rtt.minMicros / 1000,
    congestionWindowBytes: recovery.congestionWindow,
    bytesInFlight: recovery.bytesInFlight,
    datagramBytes: path.mtu.current,
    ...path.traffic,
    packetsSent: recovery.counters.packetsSent,
    packetsReceived: counters.received,
    packetsLost: recovery.counters.packetsLost,
    bytesLost: recovery.counters.bytesLost,
    packetsDropped: counters.dropped + counters.duplicates + counters.undecryptable,
    sendDatagramsDropped: core.datagrams.sendDropped,
    receiveDatagramsDropped: core.datagrams.receiveDropped,
    probeTimeouts: recovery.counters.probeTimeouts,
    keyUpdates: core.keys.phases.updates,
    congestionEvents: recovery.counters.congestionEvents,
    ecn: path.ecn.state
  }
}
