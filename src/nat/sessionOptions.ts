import type { RandomBytes } from "../internal/RandomBytes.ts"
import type { SocketNumber } from "../path/Route.ts"
import type { SocketAddress } from "../wire/SocketAddress.ts"
import type { ProbeScope } from "./probeScope.ts"
import type { TraversalSettings } from "./TraversalSettings.ts"

/** What decides how a session goes about it. */
export interface SessionOptions
  extends Pick<
    TraversalSettings,
    "maxCandidates" | "maxConcurrentAttempts" | "coordinationTimeoutMillis" | "predictPorts"
  > {
  readonly scope: () => ProbeScope
  readonly random: RandomBytes
  /** To the peer, on the path in use. */
  readonly roundTripMicros: () => number
}

/** Where a path should be opened. */
export interface OpenRequest {
  readonly remote: SocketAddress
  readonly socket: SocketNumber
  /** Of the probe that was answered. */
  readonly roundTripMicros: number
}
