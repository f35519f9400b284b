/**
 * What a connection reports about itself: what was negotiated, and its statistics.
 *
 * @since 0.1.0
 */
import { type GroupName, groupName } from "./capability/CryptoSuite.ts"
import type { Connection } from "./connection/Connection.ts"
import { cipherSuites } from "./protect/CipherSuite.ts"
import { type PeerFacts, peerFacts } from "./peerFacts.ts"
import { type PathMeasurements, pathMeasurements } from "./PathMeasurements.ts"
import { knownVersion, type Version } from "./wire/PacketType.ts"

export type { PeerFacts } from "./peerFacts.ts"

/**
 * What the handshake negotiated.
 *
 * @category models
 * @since 0.1.0
 */
export interface ConnectionFacts {
  /** QUIC version, as `transport.versions` names it. RFC 9000, RFC 9369 */
  readonly version: keyof typeof Version
  /** Name of the TLS cipher suite, such as `TLS_AES_128_GCM_SHA256`. */
  readonly cipherSuite: string
  /** Group of the key exchange, as the option `groups` names it. RFC 8446 §4.2.7 */
  readonly group: GroupName
  /** Application protocol. RFC 7301 */
  readonly alpn: string
  /** Server name the client sent (SNI), or undefined. */
  readonly serverName: string | undefined
  /**
   * Certificate or raw key of the peer, proved in this session or in the one it resumes. Undefined for a client that
   * was not asked for one.
   */
  readonly peer: PeerFacts | undefined
  /** Whether a session ticket replaced the certificates; until the handshake is complete, whether one was offered. */
  readonly resumed: boolean
  /** What became of 0-RTT data: `"none"` if not tried, `"pending"` until the server has decided. RFC 9001 §4.6 */
  readonly earlyData: "none" | "pending" | "accepted" | "rejected"
}

/**
 * A snapshot of the counters of a connection. Sizes are in bytes, durations in milliseconds, counts since the start.
 * Where there are several paths, counts are of all of them, those that are gone included; the rest is of one that data is
 * sent on.
 *
 * @category models
 * @since 0.1.0
 */
export interface ConnectionStats extends PathMeasurements {
  /** UDP datagrams sent. */
  readonly datagramsSent: number
  /** UDP datagrams received. */
  readonly datagramsReceived: number
  /** QUIC packets sent. */
  readonly packetsSent: number
  /** QUIC packets received and decrypted. */
  readonly packetsReceived: number
  /** Packets received that were malformed, duplicate, not authentic or for another connection. */
  readonly packetsDropped: number
  /** UDP datagrams dropped because there were more than `limits.peerPacketsPerSecond`. */
  readonly datagramsOverLimit: number
  /** What the peer did that does no good, beyond what a network explains: see `limits.strikes`. */
  readonly strikes: number
  /** Datagrams (RFC 9221) displaced by newer ones before they were sent. */
  readonly sendDatagramsDropped: number
  /** Datagrams (RFC 9221) not sent within their `deadline`. */
  readonly sendDatagramsExpired: number
  /** Datagrams (RFC 9221) displaced by newer ones before they were read. */
  readonly receiveDatagramsDropped: number
  /** Probe timeouts. RFC 9002 §6.2 */
  readonly probeTimeouts: number
  /** Key updates. RFC 9001 §6 */
  readonly keyUpdates: number
  /** Times that loss or an ECN mark reduced the sending rate. RFC 9002 §7.3.2 */
  readonly congestionEvents: number
  /** Memory of stream data that arrived before the bytes it follows, as it does over several paths or after a loss. */
  readonly reorderBytes: number
  /** The furthest that stream data has arrived ahead of the first missing byte, in bytes of the stream. */
  readonly maxReorderBytes: number
  /**
   * Whether the path supports ECN; `"testing"` and `"unknown"` while validating, `"unsupported"` if the socket here cannot
   * mark packets. RFC 9000 §13.4.2
   */
  readonly ecn: "unsupported" | "testing" | "unknown" | "capable" | "failed"
}

export const connectionFacts = (core: Connection): ConnectionFacts => {
  const facts = core.handshake.facts!
  return {
    version: knownVersion(core.versions.negotiated)!,
    cipherSuite: cipherSuites.get(facts.cipherSuite)!.name,
    group: groupName(facts.group),
    alpn: facts.alpn,
    serverName: facts.serverName,
    resumed: facts.resumed,
    earlyData: facts.earlyData,
    peer: facts.peer && peerFacts(facts.peer, core.config.suite)
  }
}

export const connectionStats = (core: Connection): ConnectionStats => {
  const { path } = core
  const { counters } = core.receiver
  return {
    ...pathMeasurements(path),
    ...core.paths.totals,
    packetsReceived: counters.received,
    packetsDropped: counters.dropped + counters.duplicates + counters.undecryptable,
    datagramsOverLimit: counters.overLimit,
    strikes: core.parts.strikes.total,
    sendDatagramsDropped: core.datagrams.sendDropped,
    sendDatagramsExpired: core.datagrams.sendExpired,
    receiveDatagramsDropped: core.datagrams.receiveDropped,
    keyUpdates: core.keys.phases.updates,
    reorderBytes: core.streams.reorderBytes,
    maxReorderBytes: core.streams.received.reorderDepth,
    ecn: path.ecn.state
  }
}
