export type Role = "client" | "server"

/**
 * What one side grants the other at the start: the transport parameters of RFC 9000 §18.2 with the same names, so
 * that decoded `TransportParameters` can be passed as they are. `Local` and `Remote` are seen from who declares them.
 */
export interface StreamLimits {
  readonly initialMaxData: number
  readonly initialMaxStreamDataBidiLocal: number
  readonly initialMaxStreamDataBidiRemote: number
  readonly initialMaxStreamDataUni: number
  readonly initialMaxStreamsBidi: number
  readonly initialMaxStreamsUni: number
  /** Whether it takes RESET_STREAM_AT. draft-ietf-quic-reliable-stream-reset §3 */
  readonly resetStreamAt?: boolean
}

/** Our own grants, and how far they may grow. */
export interface LocalStreamLimits extends StreamLimits {
  /** The most the receive window of the connection grows to, bytes. */
  readonly maxConnectionWindowBytes: number
  /** The most the receive window of one stream grows to, bytes. */
  readonly maxStreamWindowBytes: number
  /** How much unacknowledged data one stream holds before `write` takes no more, bytes. */
  readonly sendBufferBytes: number
}

export const defaultStreamLimits: LocalStreamLimits = {
  initialMaxData: 384 * 1024,
  initialMaxStreamDataBidiLocal: 256 * 1024,
  initialMaxStreamDataBidiRemote: 256 * 1024,
  initialMaxStreamDataUni: 256 * 1024,
  initialMaxStreamsBidi: 100,
  initialMaxStreamsUni: 100,
  maxConnectionWindowBytes: 12 * 1024 * 1024,
  maxStreamWindowBytes: 8 * 1024 * 1024,
  sendBufferBytes: 1024 * 1024
}

/** Whether `real` takes back something that a 0-RTT client was told before. RFC 9000 §7.4.1 */
export const isReduced = (remembered: StreamLimits, real: StreamLimits): boolean =>
  real.initialMaxData < remembered.initialMaxData ||
  real.initialMaxStreamDataBidiLocal < remembered.initialMaxStreamDataBidiLocal ||
  real.initialMaxStreamDataBidiRemote < remembered.initialMaxStreamDataBidiRemote ||
  real.initialMaxStreamDataUni < remembered.initialMaxStreamDataUni ||
  real.initialMaxStreamsBidi < remembered.initialMaxStreamsBidi ||
  real.initialMaxStreamsUni < remembered.initialMaxStreamsUni ||
  // draft-ietf-quic-reliable-stream-reset §3: MUST NOT disable it
  (remembered.resetStreamAt === true && real.resetStreamAt !== true)
