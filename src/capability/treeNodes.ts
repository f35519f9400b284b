/**
 * The fiber tree of an endpoint at one moment, as plain data that can be sent and compared. `endpoint.tree` takes it,
 * `FiberTree.print` writes it for people. Times are milliseconds, sizes bytes.
 */
import type { Role } from "../wire/Role.ts"
import type { SocketAddress } from "../wire/SocketAddress.ts"

/** One half of a stream. */
export interface StreamHalf {
  readonly state: string
  /** Bytes that went through this half so far. */
  readonly bytes: number
  /** sending: accepted and not acknowledged; receiving: arrived and not read. */
  readonly bufferedBytes: number
}

export interface StreamNode {
  readonly id: number
  readonly ageMillis: number
  /** The fiber that `serveStreams` runs for it. */
  readonly fiber: number | undefined
  /** Fibers of the application that wait for this stream. */
  readonly waiting: number
  readonly sending: StreamHalf | undefined
  readonly receiving: StreamHalf | undefined
}

/** A pair of addresses a path can use. */
export interface RouteNode {
  readonly local: SocketAddress
  readonly remote: SocketAddress
  readonly isCurrent: boolean
  readonly validation: "idle" | "validating" | "validated" | "timedOut"
}

export interface PathNode {
  readonly id: number
  readonly fiber: number | undefined
  /** The current one first. */
  readonly routes: ReadonlyArray<RouteNode>
  readonly smoothedRttMillis: number
  readonly congestionWindowBytes: number
  readonly bytesInFlight: number
  readonly datagramBytes: number
  readonly bytesSent: number
  readonly bytesReceived: number
}

/** What a connection holds: counts and bytes in which a leak would show. */
export interface Holdings {
  /** Streams that have not ended both ways. */
  readonly streams: number
  /** Written by the application or by TLS, and not acknowledged yet. */
  readonly sendBufferBytes: number
  /** Received and not read, including what waits behind gaps. */
  readonly receiveBufferBytes: number
  readonly datagramBytes: number
  /** Ack-eliciting packets neither acknowledged nor lost. */
  readonly packetsInFlight: number
  /** IDs the peer can reach this side by, and spare IDs of the peer. */
  readonly localConnectionIds: number
  readonly peerConnectionIds: number
  readonly routes: number
  /** What may still be sent by the peer's flow control, and what the peer may send by ours. RFC 9000 §4.1 */
  readonly sendCreditBytes: number
  readonly receiveCreditBytes: number
  /** Received, or announced by a reset, and not yet given back to the peer as credit. */
  readonly owedCreditBytes: number
  /** How many more streams of both kinds the peer lets this side open, and this side the peer. RFC 9000 §4.6 */
  readonly openableStreams: number
  readonly grantedStreams: number
  /** Opened by the peer and not closed: it may not open others in their place yet. */
  readonly owedStreams: number
}

export interface ConnectionNode {
  readonly role: Role
  readonly state: "handshaking" | "established" | "closing" | "draining" | "closed"
  readonly fiber: number | undefined
  readonly remote: SocketAddress
  readonly version: number
  readonly ageMillis: number
  /** The fiber that `serve` runs for it; it may outlive the connection for a while. */
  readonly handler: number | undefined
  /** Fibers at and below this connection's, and those of its handlers. */
  readonly fibers: number
  /** Fibers of the application that wait for this connection or one of its streams. */
  readonly waiting: number
  readonly paths: ReadonlyArray<PathNode>
  readonly streams: ReadonlyArray<StreamNode>
  readonly holdings: Holdings
}

export interface PeerNode {
  readonly name: string
  readonly state: string
  /** Why it is in this state, when there is more to say. */
  readonly detail: string
  readonly fiber: number | undefined
  readonly sinceMillis: number
  /** Operations that wait for a connection. */
  readonly waiting: number
  readonly connections: ReadonlyArray<ConnectionNode>
}

export interface EndpointNode {
  readonly local: SocketAddress
  readonly state: "open" | "closed"
  readonly ageMillis: number
  readonly sockets: number
  /** All fibers of the endpoint, including its loop; not those of the application. */
  readonly fibers: number
  /** 1 while the endpoint's one timer is armed. */
  readonly timers: number
  /** Connection IDs that route datagrams to connections. */
  readonly routedIds: number
  /** Tokens that route the peers' stateless resets to connections. RFC 9000 §10.3.1 */
  readonly resetTokens: number
  /** Established connections that nobody has accepted yet. */
  readonly backlog: number
  /** server: clients whose handshake is not complete, including those that have no connection yet. */
  readonly strangers: number
  readonly peers: ReadonlyArray<PeerNode>
  /** Connections that belong to no peer. */
  readonly connections: ReadonlyArray<ConnectionNode>
}
