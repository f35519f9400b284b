import { decodeTransportParameters, type TransportParameters } from "../wire/TransportParameters.ts"
import { TransportError, TransportErrorCode } from "../wire/TransportError.ts"
import type { ConnectionParts } from "./ConnectionParts.ts"

/**
 * What the peer's transport parameters mean for the managers of a connection: once, when they can be trusted; and before,
 * for a client's 0-RTT data, what the server said in an earlier connection. RFC 9000 §7.4
 */
export class PeerParameters {
  private readonly parts: ConnectionParts
  /** What holds for the connection; undefined before it can be trusted. */
  applied: TransportParameters | undefined = undefined
  /** client: the limits 0-RTT data keeps to, until it is rejected. RFC 9000 §7.4.1 */
  private remembered: TransportParameters | undefined = undefined

  constructor(parts: ConnectionParts) {
    this.parts = parts
  }

  /** 0-RTT data goes by limits of an earlier connection, or did and was not rejected. */
  get areRemembered(): boolean {
    return this.remembered !== undefined
  }

  /** Hands the parameters to everybody they concern; a second time means nothing. */
  apply(peer: TransportParameters): TransportError | undefined {
    if (this.applied !== undefined) return undefined
    this.applied = peer
    const { remembered } = this
    const { idle, datagrams, streams, paths } = this.parts
    const path = paths.active
    // RFC 9000 §7.4.1, RFC 9221 §3 #6; the limits on streams are compared where they are kept
    if (
      remembered !== undefined &&
      (peer.activeConnectionIdLimit < remembered.activeConnectionIdLimit ||
        peer.maxDatagramFrameSize < remembered.maxDatagramFrameSize)
    )
      return new TransportError(
        TransportErrorCode.PROTOCOL_VIOLATION,
        "0-RTT was accepted, with lower limits than were remembered"
      )
    idle.negotiate(peer.maxIdleTimeoutMillis)
    datagrams.peerMaxFrameBytes = peer.maxDatagramFrameSize
    path.onPeerParameters(peer)
    if (peer.statelessResetToken !== undefined) path.peerIds.setFirstToken(peer.statelessResetToken)
    if (peer.preferredAddress !== undefined) {
      const { connectionId, statelessResetToken } = peer.preferredAddress
      const error = path.peerIds.onNew(1, 0, connectionId, statelessResetToken) // RFC 9000 §5.1.1
      if (error !== undefined) return error
    }
    return streams.applyPeerLimits(peer)
  }

  /**
   * RFC 9000 §7.4.1 #2 #3: of what the server said last time, only limits hold for 0-RTT; the rest is what it says now,
   * or nothing: §9.6.2 #4.
   */
  remember(encoded: Uint8Array): void {
    const parameters = decodeTransportParameters(encoded, "server")
    if (parameters instanceof TransportError) return
    this.remembered = parameters
    this.parts.datagrams.peerMaxFrameBytes = parameters.maxDatagramFrameSize
    this.parts.streams.applyPeerLimits(parameters, true)
  }

  /** 0-RTT was rejected: nothing the server said last time holds any more. */
  forget(): void {
    this.remembered = undefined
    this.parts.datagrams.peerMaxFrameBytes = 0
    this.parts.streams.onEarlyDataRejected()
  }
}
