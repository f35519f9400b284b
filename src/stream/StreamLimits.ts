/**
 * Initial limits granted to the other side, with the names of the transport parameters of RFC 9000 §18.2, so that
 * decoded `TransportParameters` can be passed as they are. `Local` and `Remote` are relative to the side declaring them.
 */
export interface StreamLimits {
  readonly initialMaxData: number
  readonly initialMaxStreamDataBidiLocal: number
  readonly initialMaxStreamDataBidiRemote: number
  readonly initialMaxStreamDataUni: number
  readonly initialMaxStreamsBidi: number
  readonly initialMaxStreamsUni: number
  /** Whether RESET_STREAM_AT is supported. draft-ietf-quic-reliable-stream-reset §3 */
  readonly resetStreamAt?: boolean
}

/** The limits we grant, and how far they may grow. */
export interface LocalStreamLimits extends StreamLimits {
  /** Maximum receive window of the connection, bytes. */
  readonly maxConnectionWindowBytes: number
  /** Maximum receive window of one stream, bytes. */
  readonly maxStreamWindowBytes: number
  /** How much unacknowledged data one stream buffers before `write` accepts no more, bytes. */
  readonly sendBufferBytes: number
  /** As much all streams together may buffer while the paths carry it; no more than `sendBufferBytes` for a fixed limit. */
  readonly maxSendBufferBytes: number
}

/** Whether `real` reduces a limit that a 0-RTT client remembered. RFC 9000 §7.4.1 */
export const isReduced = (remembered: StreamLimits, real: StreamLimits): boolean =>
  real.initialMaxData < remembered.initialMaxData ||
  real.initialMaxStreamDataBidiLocal < remembered.initialMaxStreamDataBidiLocal ||
  real.initialMaxStreamDataBidiRemote < remembered.initialMaxStreamDataBidiRemote ||
  real.initialMaxStreamDataUni < remembered.initialMaxStreamDataUni ||
  real.initialMaxStreamsBidi < remembered.initialMaxStreamsBidi ||
  real.initialMaxStreamsUni < remembered.initialMaxStreamsUni ||
  // draft-ietf-quic-reliable-stream-reset §3: MUST NOT disable it
  (remembered.resetStreamAt === true && real.resetStreamAt !== true)
