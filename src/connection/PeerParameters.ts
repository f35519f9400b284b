import { otherRole } from "../wire/Role.ts"
import {
  decodeTransportParameters,
  type TransportParameters,
  withoutIntroductions
} from "../wire/TransportParameters.ts"
import { TransportError, TransportErrorCode } from "../wire/TransportError.ts"
import type { ConnectionParts } from "./ConnectionParts.ts"

/**
 * Applies the peer's transport parameters to the managers of a connection: once, when they can be trusted; and earlier,
 * for a client's 0-RTT data, those remembered from the last connection. RFC 9000 §7.4
 */
export class PeerParameters {
  private readonly parts: ConnectionParts
  private isApplied = false
  /** client: the remembered limits of 0-RTT data, until it is rejected. RFC 9000 §7.4.1 */
  private remembered: TransportParameters | undefined = undefined

  constructor(parts: ConnectionParts) {
    this.parts = parts
  }

  /** The applied parameters; undefined before they can be trusted. */
  get applied(): TransportParameters | undefined {
    return this.isApplied ? this.parts.handshake.peerParameters : undefined
  }

  /** Remembered limits applied to 0-RTT data, and it was not rejected. */
  get areRemembered(): boolean {
    return this.remembered !== undefined
  }

  /** Applies the parameters to every manager they concern; later calls do nothing. */
  apply(peer: TransportParameters): TransportError | undefined {
    if (this.isApplied) return undefined
    this.isApplied = true
    const { remembered } = this
    const { idle, datagrams, streams, paths } = this.parts
    const path = paths.active
    // RFC 9000 §7.4.1, RFC 9221 §3 #6; stream limits are compared in `StreamSet`
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
    this.parts.discovery.start(peer)
    path.onPeerParameters(peer)
    if (peer.statelessResetToken !== undefined) path.peerIds.setFirstToken(peer.statelessResetToken)
    if (peer.preferredAddress !== undefined) {
      const { connectionId, statelessResetToken } = peer.preferredAddress
      const error = path.peerIds.onNew(1, 0, connectionId, statelessResetToken) // RFC 9000 §5.1.1
      if (error !== undefined) return error
    }
    return streams.applyPeerLimits(withoutIntroductions(peer, otherRole(this.parts.config.role)))
  }

  /**
   * RFC 9000 §7.4.1 #2 #3: only the limits of the last connection apply to 0-RTT; everything else has to come from the
   * server's current parameters: §9.6.2 #4.
   */
  remember(encoded: Uint8Array): void {
    const parameters = decodeTransportParameters(encoded, "server")
    if (parameters instanceof TransportError) return
    this.remembered = parameters
    this.parts.datagrams.peerMaxFrameBytes = parameters.maxDatagramFrameSize
    this.parts.streams.applyPeerLimits(parameters, true)
  }

  /** 0-RTT was rejected: the remembered limits no longer apply. */
  forget(): void {
    this.remembered = undefined
    this.parts.datagrams.peerMaxFrameBytes = 0
    this.parts.streams.onEarlyDataRejected()
  }
}
