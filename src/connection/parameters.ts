import { isReduced, type LocalStreamLimits } from "../stream/StreamLimits.ts"
import { TransportError } from "../wire/TransportError.ts"
import {
  decodeTransportParameters,
  defaultTransportParameters,
  type TransportParameters
} from "../wire/TransportParameters.ts"
import type { ConnectionOrigin } from "./ConnectionOrigin.ts"
import { addressDiscoveryValues } from "./AddressDiscovery.ts"
import type { ConnectionConfig, TransportSettings } from "./ConnectionConfig.ts"

/** What a stream, and the datagrams, may buffer for sending, and how far that grows, if the application does not say it. */
export const SEND_BUFFER_BYTES = 1024 * 1024
const MAX_SEND_BUFFER_BYTES = 24 * 1024 * 1024

/** The stream limits we grant, in 0-RTT too (RFC 9000 §7.4.1 #S1), and how far the windows may grow. */
export const localStreamLimits = (transport: TransportSettings): LocalStreamLimits => ({
  initialMaxData: transport.connectionWindowBytes,
  initialMaxStreamDataBidiLocal: transport.streamWindowBytes,
  initialMaxStreamDataBidiRemote: transport.streamWindowBytes,
  initialMaxStreamDataUni: transport.streamWindowBytes,
  initialMaxStreamsBidi: transport.maxBidirectionalStreams,
  initialMaxStreamsUni: transport.maxUnidirectionalStreams,
  resetStreamAt: true,
  maxConnectionWindowBytes: Math.max(transport.connectionWindowBytes, transport.maxConnectionWindowBytes),
  maxStreamWindowBytes: Math.max(transport.streamWindowBytes, transport.maxStreamWindowBytes),
  sendBufferBytes: transport.sendBufferBytes ?? SEND_BUFFER_BYTES,
  maxSendBufferBytes: transport.sendBufferBytes === undefined ? MAX_SEND_BUFFER_BYTES : 0
})

/** Timers have millisecond resolution. */
const TIMER_MICROS = 1_000

/** min_ack_delay: the shortest ACK delay the peer may request. draft-ietf-quic-ack-frequency §3 */
export const minAckDelayMicros = ({ maxAckDelayMillis }: TransportSettings): number =>
  Math.min(TIMER_MICROS, maxAckDelayMillis * 1000)

/** How long an ACK waits: max_ack_delay less the expected timer lateness. RFC 9000 §18.2 #S1 */
export const ackTimerMicros = ({ maxAckDelayMillis }: TransportSettings): number =>
  Math.max(0, maxAckDelayMillis * 1000 - TIMER_MICROS)

/** Our transport parameters. RFC 9000 §18.2 */
export const localParameters = (
  config: ConnectionConfig,
  origin: ConnectionOrigin,
  preferredId: { readonly id: Uint8Array; readonly token: Uint8Array } | undefined
): TransportParameters => {
  const { transport, role, preferred } = config
  const limits = localStreamLimits(transport)
  return {
    ...defaultTransportParameters,
    maxIdleTimeoutMillis: transport.maxIdleTimeoutMillis,
    maxUdpPayloadSize: transport.maxReceiveDatagramBytes,
    initialMaxData: limits.initialMaxData,
    initialMaxStreamDataBidiLocal: limits.initialMaxStreamDataBidiLocal,
    initialMaxStreamDataBidiRemote: limits.initialMaxStreamDataBidiRemote,
    initialMaxStreamDataUni: limits.initialMaxStreamDataUni,
    initialMaxStreamsBidi: limits.initialMaxStreamsBidi,
    initialMaxStreamsUni: limits.initialMaxStreamsUni,
    ackDelayExponent: transport.ackDelayExponent,
    maxAckDelayMillis: transport.maxAckDelayMillis,
    minAckDelayMicros: minAckDelayMicros(transport),
    disableActiveMigration: transport.disableActiveMigration,
    activeConnectionIdLimit: transport.activeConnectionIdLimit,
    maxDatagramFrameSize: transport.maxDatagramFrameBytes,
    // draft-ietf-quic-multipath §2.1: not without connection IDs
    ...(origin.localInitialId.length > 0 && multipathOffer(transport)),
    ...discoveryOffer(transport),
    greaseQuicBit: true,
    resetStreamAt: true,
    initialSourceConnectionId: origin.localInitialId,
    ...(role === "server" && {
      originalDestinationConnectionId: origin.originalDestination,
      statelessResetToken: config.makeResetToken(origin.localInitialId),
      ...(preferred !== undefined &&
        preferredId !== undefined && {
          preferredAddress: {
            ...preferred,
            connectionId: preferredId.id,
            statelessResetToken: preferredId.token
          }
        }),
      ...(origin.retrySource !== undefined && { retrySourceConnectionId: origin.retrySource })
    })
  }
}

const multipathOffer = ({ maxPaths = 1, maxRemoteCandidates = 0 }: TransportSettings) =>
  maxPaths > 1
    ? {
        initialMaxPathId: maxPaths - 1,
        ...(maxRemoteCandidates > 0 && { maxRemoteNatTraversalAddresses: maxRemoteCandidates })
      }
    : undefined

const discoveryOffer = ({ addressDiscovery = "none" }: TransportSettings) =>
  addressDiscovery === "none" ? undefined : { addressDiscovery: addressDiscoveryValues[addressDiscovery] }

/**
 * Whether the limits a server granted earlier still hold: only then may it accept 0-RTT data that relies on them.
 * RFC 9000 §7.4.1 #5 #6 #7, RFC 9221 §3 #5, draft-ietf-quic-address-discovery
 */
export const stillGrants = (remembered: Uint8Array, transport: TransportSettings): boolean => {
  const then = decodeTransportParameters(remembered, "server")
  return (
    !(then instanceof TransportError) &&
    !isReduced(then, localStreamLimits(transport)) &&
    then.activeConnectionIdLimit <= transport.activeConnectionIdLimit &&
    then.maxDatagramFrameSize <= transport.maxDatagramFrameBytes &&
    then.addressDiscovery === discoveryOffer(transport)?.addressDiscovery
  )
}
