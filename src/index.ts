/** A secure, multipath, actor-model QUIC transport for Effect. */
export * as AddressDiscovery from "./AddressDiscovery.ts"
export { Admission } from "./capability/Admission.ts"
export * from "./capability/CertificateVerifier.ts"
export * from "./capability/CryptoSuite.ts"
export type {
  CloseCounts,
  DroppedPackets,
  EndpointStatistics,
  HandshakeCounts,
  ProbeRefusals,
  ProbeTotals,
  StatelessReplyCounts,
  TraversalTotals
} from "./capability/EndpointStatistics.ts"
export { Entropy, type EntropyShape } from "./capability/Entropy.ts"
export { Inspector, type InspectorShape } from "./capability/Inspector.ts"
export { KeyLog } from "./capability/KeyLog.ts"
export {
  type InterfaceAddress,
  NetworkInterfaces,
  type NetworkInterfacesShape
} from "./capability/NetworkInterfaces.ts"
export { PeerLookup, type PeerLookupShape, type PeerPlaces } from "./capability/PeerLookup.ts"
export {
  type RelayClosed,
  RelayError,
  type RelayIdentity,
  type RelayLink,
  type RelayLinkCounters,
  type RelayLinkListener,
  RelayPort,
  type RelayPortShape
} from "./capability/RelayPort.ts"
export { ReplayGuard, type ReplayGuardShape } from "./capability/ReplayGuard.ts"
export {
  Shard,
  type ShardBinding,
  type ShardedPart,
  type ShardNumber,
  type ShardShape
} from "./capability/Shard.ts"
export { TicketKeys, type TicketKeysShape } from "./capability/TicketKeys.ts"
export * from "./capability/TicketStore.ts"
export { Qlog, type QlogShape } from "./capability/Qlog.ts"
export * from "./capability/UdpPort.ts"
export type { BootstrapInfo, Bootstraps } from "./Bootstraps.ts"
export { type Carrier, carrierErrorCodes, type OpenOptions } from "./Carrier.ts"
export * as Channels from "./Channels.ts"
export { type ClaimedDatagramOptions, DatagramClaim, type DatagramClaimOptions } from "./DatagramClaim.ts"
export * as DialAddress from "./DialAddress.ts"
export type { Dialing, RelayInfo } from "./Dialing.ts"
export type { DialOptions } from "./DialOptions.ts"
export * as FiberTree from "./FiberTree.ts"
export * as Identity from "./Identity.ts"
export * as KnownPeers from "./KnownPeers.ts"
export * as Liveness from "./Liveness.ts"
export {
  defaultSchedule,
  type DialPeerOptions,
  Peer,
  type PeerOptions,
  type PeerPolicy,
  type PeerState,
  type RestartPolicy,
  type UseOptions
} from "./Peer.ts"
export * as PathScheduling from "./PathScheduling.ts"
export * as PeerId from "./PeerId.ts"
export { type PeerInfo, QuicPeer } from "./PeerInfo.ts"
export type { LocalPlace, MigrationCandidate } from "./actor/PathActor.ts"
export type {
  KeyPhase,
  KeyPhaseState,
  CandidateInfo,
  MigrationEntry,
  MigrationOutcome,
  MigrationReason,
  MigrationStep,
  BondingState,
  PathAddresses,
  PathEnds,
  PathInfo,
  QlogPointer
} from "./ConnectionPaths.ts"
export type { ConnectionIdInfo, ConnectionIds } from "./ConnectionIds.ts"
export { type OpenPathOptions, type PathClosed, QuicPath, type RemotePlace } from "./QuicPath.ts"
export type { PathMeasurements } from "./PathMeasurements.ts"
export type { PeerFacts } from "./ConnectionInfo.ts"
export { type ConnectionFacts, type ConnectionStats, QuicConnection } from "./QuicConnection.ts"
export type { DrainOptions, DrainResult } from "./EndpointDrain.ts"
export { EndpointLimits } from "./EndpointLimits.ts"
export type { ConnectOptions, EndpointOptions, ServerOptions } from "./EndpointOptions.ts"
export * as QuicMetrics from "./QuicMetrics.ts"
export { QuicEndpoint, type QuicEndpointShape } from "./QuicEndpoint.ts"
export { QuicError, QuicErrorReason } from "./QuicError.ts"
export * from "./channelReasons.ts"
export * from "./connectionIdReasons.ts"
export * from "./connectReasons.ts"
export * from "./errorReasons.ts"
export * from "./pathReasons.ts"
export * from "./readReasons.ts"
export * from "./streamReasons.ts"
export { TransportOptions } from "./QuicOptions.ts"
export * as QuicRpc from "./QuicRpc.ts"
export * as QuicRunner from "./QuicRunner.ts"
export * as QuicSocket from "./QuicSocket.ts"
export * as QuicSocketServer from "./QuicSocketServer.ts"
export type { ServeOptions } from "./ServingConnection.ts"
export { QuicStream, type ResetOptions } from "./QuicStream.ts"
export * as ReconnectToken from "./ReconnectToken.ts"
export * as Resumption from "./Resumption.ts"
export type { DatagramOptions, MessageOptions, PathPreference } from "./SendOptions.ts"
export { type ReaderOptions, type ReadOptions, StreamReader } from "./StreamReader.ts"
export * as Traversal from "./Traversal.ts"
export type { BootstrapOption, TraversalOptions } from "./TraversalOptions.ts"
export type { RelayOption } from "./RelayOptions.ts"
export * as Trust from "./Trust.ts"
export type { DatagramFate } from "./stream/DatagramQueue.ts"
export type { Role } from "./wire/Role.ts"
export { Version } from "./wire/PacketType.ts"
export type { GroupName } from "./capability/CryptoSuite.ts"
export { formatAddress, type SocketAddress, type ZoneName } from "./wire/SocketAddress.ts"
