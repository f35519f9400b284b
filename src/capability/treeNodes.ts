/**
 * The fiber tree of an endpoint at one moment, as plain data that can be sent and compared.
 *
 * `endpoint.tree` takes it, `FiberTree.print` formats it. Durations are milliseconds, sizes bytes, `fiber` is the ID of
 * a fiber or undefined if it has none.
 *
 * @since 0.1.0
 */
import type { EndpointStatistics } from "./EndpointStatistics.ts"
import type { Role } from "../wire/Role.ts"
import type { SocketAddress } from "../wire/SocketAddress.ts"

/**
 * One direction of a stream.
 *
 * @category models
 * @since 0.1.0
 */
export interface StreamHalf {
  /** How far it has come: `open`, `finished`, `reset`, `stopped` or `closed`. */
  readonly state: string
  /** Bytes transferred so far. */
  readonly bytes: number
  /** Sending: accepted and not acknowledged. Receiving: arrived and not read. */
  readonly bufferedBytes: number
}

/**
 * A stream.
 *
 * @category models
 * @since 0.1.0
 */
export interface StreamNode {
  /** Stream ID. RFC 9000 §2.1 */
  readonly id: number
  /** Time since it was opened. */
  readonly ageMillis: number
  /** Fiber of the handler `serveStreams` runs for it. */
  readonly fiber: number | undefined
  /** Application fibers waiting for it. */
  readonly waiting: number
  /** The sending direction, if it has one. */
  readonly sending: StreamHalf | undefined
  /** The receiving direction, if it has one. */
  readonly receiving: StreamHalf | undefined
}

/**
 * A pair of addresses a path can use.
 *
 * @category models
 * @since 0.1.0
 */
export interface RouteNode {
  /** Local address. */
  readonly local: SocketAddress
  /** Remote address. */
  readonly remote: SocketAddress
  /** Whether the path uses it now. */
  readonly isCurrent: boolean
  /** Progress of path validation. RFC 9000 §8.2 */
  readonly validation: "idle" | "validating" | "validated" | "timedOut"
}

/**
 * A path.
 *
 * @category models
 * @since 0.1.0
 */
export interface PathNode {
  /** Number of the path, 0 for the first. */
  readonly id: number
  /**
   * `migrating`: it is moving to other addresses; `standby`: it is a backup; `closing`: it was abandoned.
   * draft-ietf-quic-multipath §3
   */
  readonly state: "active" | "standby" | "migrating" | "validating" | "closing"
  /** Whether data is sent on it now. */
  readonly carriesData: boolean
  /** Whether it has left probes unanswered. */
  readonly isSilent: boolean
  /** Its routes, the current one first. */
  readonly routes: ReadonlyArray<RouteNode>
  /** Smoothed round-trip time. RFC 9002 §5.3 */
  readonly smoothedRttMillis: number
  /** Congestion window. RFC 9002 §7 */
  readonly congestionWindowBytes: number
  /** Bytes sent and neither acknowledged nor lost. */
  readonly bytesInFlight: number
  /** Size of UDP payloads, as far as path MTU discovery has found. */
  readonly datagramBytes: number
  /** Bytes of UDP payload sent. */
  readonly bytesSent: number
  /** Bytes of UDP payload received. */
  readonly bytesReceived: number
  /** UDP datagrams sent. */
  readonly datagramsSent: number
  /** UDP datagrams received. */
  readonly datagramsReceived: number
  /** QUIC packets sent. */
  readonly packetsSent: number
  /** Packets declared lost. RFC 9002 §6.1 */
  readonly packetsLost: number
}

/**
 * What a connection holds: counts and bytes in which a leak would show.
 *
 * @category models
 * @since 0.1.0
 */
export interface Holdings {
  /** Streams not yet ended in both directions. */
  readonly streams: number
  /** Written by the application or TLS, and not acknowledged. */
  readonly sendBufferBytes: number
  /** Received and not read, including bytes behind gaps. */
  readonly receiveBufferBytes: number
  /** Queued datagrams (RFC 9221), both directions. */
  readonly datagramBytes: number
  /** Ack-eliciting packets neither acknowledged nor lost. */
  readonly packetsInFlight: number
  /** Connection IDs the peer can use. */
  readonly localConnectionIds: number
  /** Connection IDs of the peer, the reserve included. */
  readonly peerConnectionIds: number
  /** Routes of all paths. */
  readonly routes: number
  /** Bytes the peer's flow control still allows this side. RFC 9000 §4.1 */
  readonly sendCreditBytes: number
  /** Bytes this side's flow control still allows the peer. */
  readonly receiveCreditBytes: number
  /** Received, or announced by a reset, and not yet returned to the peer as credit. */
  readonly owedCreditBytes: number
  /** Streams of both kinds this side may still open. RFC 9000 §4.6 */
  readonly openableStreams: number
  /** Streams of both kinds the peer may still open. */
  readonly grantedStreams: number
  /** Streams the peer opened that are not closed; it may not yet open others in their place. */
  readonly owedStreams: number
}

/**
 * How a connection looks for a direct path through NATs.
 *
 * @category models
 * @since 0.1.0
 */
export interface TraversalNode {
  /** Its phase: see `Traversal.Phase`. */
  readonly phase: string
  /** The last attempt, from 1; 0 before the first. */
  readonly round: number
  /** Addresses this side names. */
  readonly localCandidates: number
  /** Addresses at which the peer may be. */
  readonly remoteCandidates: number
  /** Pairs of both. */
  readonly pairs: number
}

/**
 * A connection.
 *
 * @category models
 * @since 0.1.0
 */
export interface ConnectionNode {
  /** Names it in logs, at both ends: see `QuicConnection.id`. */
  readonly id: string
  /** This side's role. */
  readonly role: Role
  /** State of the connection. RFC 9000 §10 */
  readonly state: "handshaking" | "established" | "closing" | "draining" | "closed"
  /** Fiber of the connection, which identifies it within its process. */
  readonly fiber: number | undefined
  /** Address of the peer. */
  readonly remote: SocketAddress
  /** Number of the QUIC version. */
  readonly version: number
  /** Application protocol; undefined until the handshake has negotiated it. RFC 7301 */
  readonly alpn: string | undefined
  /** Time since it was created. */
  readonly ageMillis: number
  /** Fiber of the handler `serve` runs for it, which may outlive the connection briefly. */
  readonly handler: number | undefined
  /** Fibers of this connection, everything below it and its handlers. */
  readonly fibers: number
  /** Application fibers waiting for this connection or one of its streams. */
  readonly waiting: number
  /** What its paths are together: see `BondingState`. */
  readonly bonding: "singlePath" | "pending" | "bonded" | "degraded"
  /** How it looks for a direct path; undefined if it does not. */
  readonly traversal: TraversalNode | undefined
  /** Its paths. */
  readonly paths: ReadonlyArray<PathNode>
  /** Its streams. */
  readonly streams: ReadonlyArray<StreamNode>
  /** What it holds. */
  readonly holdings: Holdings
}

/**
 * A `Peer`.
 *
 * @category models
 * @since 0.1.0
 */
export interface PeerNode {
  /** Name of the peer. */
  readonly name: string
  /** Tag of its `PeerState`. */
  readonly state: string
  /** Why it is in this state; empty if there is nothing to add. */
  readonly detail: string
  /** Fiber of the peer. */
  readonly fiber: number | undefined
  /** Time in this state. */
  readonly sinceMillis: number
  /** Operations waiting for a connection. */
  readonly waiting: number
  /** Its connections. */
  readonly connections: ReadonlyArray<ConnectionNode>
}

/**
 * An endpoint.
 *
 * @category models
 * @since 0.1.0
 */
export interface EndpointNode {
  /** Address it is bound to. */
  readonly local: SocketAddress
  /** Fiber of the endpoint, which identifies it within its process. */
  readonly fiber: number | undefined
  /** Its shard, of a `ShardedEndpoint`. */
  readonly shard?: number | undefined
  /** Whether it is open. */
  readonly state: "open" | "closed"
  /** Time since it was made. */
  readonly ageMillis: number
  /** UDP sockets it holds. */
  readonly sockets: number
  /** Fibers of the endpoint, its loop included; not those of the application. */
  readonly fibers: number
  /** 1 while the endpoint's only timer is armed. */
  readonly timers: number
  /** Connection IDs that route datagrams to connections. */
  readonly routedIds: number
  /** Tokens by which stateless resets of the peers are recognized. RFC 9000 §10.3.1 */
  readonly resetTokens: number
  /** Established connections waiting for `accept`. */
  readonly backlog: number
  /** Server: clients whose handshake is not complete, including those without a connection yet. */
  readonly strangers: number
  /** What it has counted since it was made. */
  readonly statistics: EndpointStatistics
  /** Its peers. */
  readonly peers: ReadonlyArray<PeerNode>
  /** Connections that belong to no peer. */
  readonly connections: ReadonlyArray<ConnectionNode>
}
