/** How many strikes within which time end a connection. */
export interface StrikeLimits {
  /** 0: strikes are counted, but end nothing. */
  readonly count: number
  readonly windowMillis: number
}

/** The limits of an endpoint, checked and complete; `EndpointLimits` documents them. */
export interface Limits {
  readonly handshakes: number
  readonly handshakesPerSource: number
  readonly waitingClients: number
  readonly retryHandshakes: number
  readonly handshakeBytes: number
  readonly handshakeDatagrams: number
  readonly strangerPacketsPerSecond: number
  readonly strangerPacketsAtOnce: number
  readonly retriesPerSecond: number
  readonly refusalsPerSecond: number
  readonly versionNegotiationsPerSecond: number
  readonly statelessResetsPerSecond: number
  readonly acceptBacklog: number
  readonly unreadDatagramBytes: number
  readonly strikes: StrikeLimits
  /** 0 for no limit. */
  readonly peerPacketsPerSecond: number
  readonly peerPacketsAtOnce: number
}

export const defaultLimits: Limits = {
  handshakes: 100,
  handshakesPerSource: 5,
  waitingClients: 1_024,
  retryHandshakes: 50,
  handshakeBytes: 131_072,
  handshakeDatagrams: 500,
  strangerPacketsPerSecond: 10_000,
  strangerPacketsAtOnce: 500,
  retriesPerSecond: 5_000,
  refusalsPerSecond: 500,
  versionNegotiationsPerSecond: 500,
  statelessResetsPerSecond: 500,
  acceptBacklog: 128,
  unreadDatagramBytes: 1_048_576,
  strikes: { count: 10, windowMillis: 5_000 },
  peerPacketsPerSecond: 0,
  peerPacketsAtOnce: 500
}
