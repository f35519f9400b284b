/**
 * What an endpoint has counted since it was made, as plain data.
 *
 * `endpoint.statistics` takes it; `QuicMetrics.layer` publishes it as metrics.
 *
 * @since 0.1.0
 */

/**
 * Packets received that had no effect, by reason. A datagram that belongs to no connection counts as one packet.
 *
 * @category models
 * @since 0.1.0
 */
export interface DroppedPackets {
  /** A limit of `limits` was reached, before anything was spent on the packet. */
  readonly rateLimited: number
  /** Not authentic: forged, damaged, or sealed with keys that are gone. */
  readonly unauthentic: number
  /** Processed before, or too old to tell. RFC 9000 §12.3 */
  readonly duplicate: number
  /** Not a QUIC packet, or one that violates the rules for its type. */
  readonly malformed: number
  /** For a connection that this endpoint does not have. */
  readonly unknownConnection: number
  /**
   * From an address, of a version, or to a connection ID that the connection does not use; or from one that `Admission`
   * does not admit.
   */
  readonly rejected: number
  /** Arrived before, or after, there were keys for it. RFC 9001 §5.7 */
  readonly keyUnavailable: number
}

/**
 * Answers to datagrams that belong to no connection, by kind.
 *
 * @category models
 * @since 0.1.0
 */
export interface StatelessReplyCounts {
  /** Retry packets. RFC 9000 §8.1.2 */
  readonly retry: number
  /** CONNECTION_CLOSE for clients that are not served. RFC 9000 §5.2.2 */
  readonly refusal: number
  /** Version Negotiation packets. RFC 9000 §6 */
  readonly versionNegotiation: number
  /** Stateless resets. RFC 9000 §10.3 */
  readonly statelessReset: number
}

/**
 * Handshakes, in both roles.
 *
 * @category models
 * @since 0.1.0
 */
export interface HandshakeCounts {
  /** In progress now, including clients that wait for their turn. */
  readonly inFlight: number
  /** Completed. */
  readonly completed: number
  /** Connections that ended before the handshake was complete. */
  readonly failed: number
}

/**
 * Connections that ended, by reason.
 *
 * @category models
 * @since 0.1.0
 */
export interface CloseCounts {
  /** This side's application closed it. */
  readonly localApplication: number
  /** The peer's application closed it. */
  readonly peerApplication: number
  /**
   * This side found an error in the transport, refused the connection, had a defect, or gave up before the peer answered.
   * RFC 9000 §20.1
   */
  readonly localTransport: number
  /** This side ended it because the peer kept doing what does no good: see `limits.strikes`. Not in `localTransport`. */
  readonly localStrikes: number
  /** The peer reported an error in the transport, or refused the connection. */
  readonly peerTransport: number
  /** This side ended the handshake with a TLS alert. RFC 9001 §4.8 */
  readonly localAlert: number
  /** The peer ended the handshake with a TLS alert. */
  readonly peerAlert: number
  /** Nothing was received within the idle timeout. RFC 9000 §10.1 */
  readonly idleTimeout: number
  /** The handshake took too long. */
  readonly handshakeTimeout: number
  /** The peer has lost its state. RFC 9000 §10.3 */
  readonly statelessReset: number
  /** No version in common. RFC 9000 §6.2 */
  readonly versionNegotiation: number
}

/**
 * What was probed to find direct paths through NATs. The probes of a path that is validated are not among them.
 *
 * @category models
 * @since 0.1.0
 */
export interface ProbeTotals {
  /** Datagrams sent. */
  readonly sent: number
  /** Their UDP payload: the most that such a datagram may have. */
  readonly bytes: number
  /** Pairs of addresses that have answered, once in each round of a connection. */
  readonly answered: number
  /** Addresses probed, each once an hour whichever connections do. */
  readonly addresses: number
  /** Times that a limit forbade an address or a datagram, by limit; a datagram may be sent later. */
  readonly refused: ProbeRefusals
}

/**
 * What bounds the probes that peers cause, of one connection or of all together.
 *
 * @category models
 * @since 0.1.0
 */
export interface ProbeRefusals {
  /** The addresses of one round. */
  readonly round: number
  /** The addresses of an hour. */
  readonly addresses: number
  /** Datagrams per second. */
  readonly rate: number
  /** Bytes per second. */
  readonly bytes: number
  /** Datagrams to one address that does not answer. */
  readonly address: number
}

/**
 * What connections have done to find direct paths through NATs.
 *
 * @category models
 * @since 0.1.0
 */
export interface TraversalTotals {
  /** Rounds of probing. */
  readonly attempts: number
  /** Rounds that have led to a direct path. */
  readonly successes: number
  /** How often a connection has become direct, with or without a round. */
  readonly direct: number
  /** How often one was left to its relay. */
  readonly relayed: number
  /** Rounds whose coordination was completed. */
  readonly coordinations: number
  /** How long that took, all together: from the exchange of candidates to the first probe. */
  readonly coordinationMillis: number
  /** What was sent to find out which addresses can be reached. */
  readonly probes: ProbeTotals
}

/**
 * What an endpoint has counted since it was made, over all connections, those that are gone included.
 *
 * **Details**
 *
 * Everything only grows, except `connectionsActive`, `handshakes.inFlight` and `reorderBufferBytes`, which say what is
 * now.
 *
 * @category models
 * @since 0.1.0
 */
export interface EndpointStatistics {
  /** UDP datagrams received. */
  readonly datagramsReceived: number
  /** UDP datagrams sent. */
  readonly datagramsSent: number
  /** Bytes of UDP payload received. */
  readonly bytesReceived: number
  /** Bytes of UDP payload sent. */
  readonly bytesSent: number
  /** QUIC packets received, authentic and not duplicate. */
  readonly packetsReceived: number
  /** QUIC packets sent by connections. */
  readonly packetsSent: number
  /** Packets declared lost. RFC 9002 §6.1 */
  readonly packetsLost: number
  /** Bytes of these packets. */
  readonly bytesLost: number
  /** Packets received that had no effect. */
  readonly dropped: DroppedPackets
  /** Answers without a connection. */
  readonly statelessReplies: StatelessReplyCounts
  /** Handshakes. */
  readonly handshakes: HandshakeCounts
  /** Established connections that are not closing, now. */
  readonly connectionsActive: number
  /** What peers did that does no good: see `limits.strikes`. */
  readonly strikes: number
  /** Connections that ended. */
  readonly closes: CloseCounts
  /** What was done to find direct paths through NATs. */
  readonly traversal: TraversalTotals
  /** Memory of received data that cannot be read yet because earlier bytes are missing, now. */
  readonly reorderBufferBytes: number
}

/**
 * What became of the connections of a drained endpoint.
 *
 * **Details**
 *
 * Clients that were refused, because their handshake was not complete or because nobody had accepted them, are not counted.
 *
 * @category models
 * @since 0.1.0
 */
export interface DrainResult {
  /** Connections whose handlers and streams ended in time. */
  readonly finished: number
  /** Connections that the deadline ended. */
  readonly cutOff: number
}
