/** What clients and strangers may cost a relay. */
export interface RelayLimits {
  /** Keys that are connected. */
  readonly clients: number
  /** Connections of one source: an IPv4 address, or an IPv6 /64. */
  readonly connectionsPerSource: number
  /** Connections that have not proved a key yet. */
  readonly pending: number
  readonly pendingPerSource: number
  /** How long a connection may take to prove a key. */
  readonly authTimeoutMillis: number
  /** Frames that wait for a client which reads too slowly. */
  readonly queuedFrames: number
  readonly queuedBytes: number
  /** The same for all clients together; the fewer bytes are left, the fewer one client may take. */
  readonly totalQueuedBytes: number
  /** What one client may send: on average, and at once. */
  readonly bytesPerSecond: number
  readonly burstBytes: number
  /** Clients that are told when one that sent to them leaves: the last ones it sent to. */
  readonly rememberedPeers: number
}

const MiB = 1024 * 1024

export const defaultRelayLimits: RelayLimits = {
  clients: 10_000,
  connectionsPerSource: 512,
  pending: 512,
  pendingPerSource: 32,
  authTimeoutMillis: 10_000,
  queuedFrames: 512,
  queuedBytes: MiB,
  totalQueuedBytes: 256 * MiB,
  bytesPerSecond: 8 * MiB,
  burstBytes: 2 * MiB,
  rememberedPeers: 256
}

/** Connections with the same key; the newest is served. Of more, the oldest is closed. */
export const CONNECTIONS_PER_KEY = 4

/** How often a client is pinged, and how soon a silent one is given up after it. */
export const PING_MICROS = 15_000_000

/** What each frame costs besides its bytes, in a queue and in a rate. */
export const FRAME_COST = 64
