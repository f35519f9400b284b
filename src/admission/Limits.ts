/** The limits of an endpoint, checked and complete; `EndpointLimits` documents them. */
export interface Limits {
  readonly handshakes: number
  readonly waitingClients: number
  readonly retryHandshakes: number
  readonly retriesPerSecond: number
  readonly refusalsPerSecond: number
  readonly versionNegotiationsPerSecond: number
  readonly statelessResetsPerSecond: number
  readonly acceptBacklog: number
}

export const defaultLimits: Limits = {
  handshakes: 100,
  waitingClients: 1_024,
  retryHandshakes: 50,
  retriesPerSecond: 5_000,
  refusalsPerSecond: 500,
  versionNegotiationsPerSecond: 500,
  statelessResetsPerSecond: 500,
  acceptBacklog: 128
}
