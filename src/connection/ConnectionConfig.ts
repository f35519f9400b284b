import type { Role } from "../wire/Role.ts"
import type { Limits } from "../admission/Limits.ts"
import type { CertificateType } from "../capability/CertificateVerifier.ts"
import type { CryptoSuiteShape, NamedGroup, RandomBytes } from "../capability/CryptoSuite.ts"
import type { ClientResumption, ServerResumption, TlsIdentity } from "../handshake/TlsSession.ts"
import type { SocketNumber } from "../path/Route.ts"
import { Version } from "../wire/PacketType.ts"
import type { SocketAddress } from "../wire/SocketAddress.ts"
import type { PathScheduler } from "../capability/PathScheduling.ts"
import type { PacketObserver } from "./PacketObserver.ts"

/** The datagram size every QUIC path must support. RFC 9000 §14 */
export const MINIMUM_DATAGRAM_BYTES = 1200

/** No packet is started in less room than this: header, tag and a few frames. */
export const WORTHWHILE_BYTES = 96

export type VersionName = keyof typeof Version
export type CongestionAlgorithm = "cubic" | "newReno" | "bbr" | "lia"

/** Validated limits and timings of a connection; units are in the names. */
export interface TransportSettings {
  /**
   * The versions supported, best first. A client offers them all; a server picks the best one that the client offers.
   * Default: v1 for a client, v2 and v1 for a server. RFC 9368
   */
  readonly versions?: ReadonlyArray<VersionName>
  /** client: the version of its first flight; default: the best of `versions`. RFC 9368 §2 */
  readonly originalVersion?: VersionName
  /** 0 means never. RFC 9000 §10.1 */
  readonly maxIdleTimeoutMillis: number
  readonly handshakeTimeoutMillis: number
  /** How long a close waits for accepted data to be delivered. */
  readonly closeTimeoutMillis: number
  /** A PING is sent after this much silence; 0 disables it. */
  readonly keepAliveIntervalMillis: number
  /** Initial and maximum receive window of the connection. */
  readonly connectionWindowBytes: number
  readonly maxConnectionWindowBytes: number
  /** Initial and maximum receive window of each stream. */
  readonly streamWindowBytes: number
  readonly maxStreamWindowBytes: number
  /** How many streams of each kind the peer may have open at once. */
  readonly maxBidirectionalStreams: number
  readonly maxUnidirectionalStreams: number
  /** How much a stream buffers before `write` waits; undefined for as much as the paths carry. */
  readonly sendBufferBytes?: number
  readonly congestion: CongestionAlgorithm
  readonly initialRttMillis: number
  /** The datagram size used until a larger one is validated, 1200 … 65527. RFC 9000 §14 */
  readonly initialDatagramBytes: number
  /** The largest datagram path MTU discovery tries; equal to the initial size, discovery is off. */
  readonly maxDatagramBytes: number
  /** The largest UDP payload we accept. RFC 9000 §18.2 */
  readonly maxReceiveDatagramBytes: number
  readonly ackDelayExponent: number
  readonly maxAckDelayMillis: number
  /** Asks the peer not to migrate, and ignores it if it does. RFC 9000 §18.2 */
  readonly disableActiveMigration: boolean
  /** New connection IDs after this many packets and this long; 0 for never. RFC 9000 §9.5 */
  readonly rotateIdsAfterPackets: number
  readonly rotateIdsAfterMillis: number
  /** How many of the peer's connection IDs we store. RFC 9000 §5.1.1 */
  readonly activeConnectionIdLimit: number
  /** How many paths the connection may have at once; 1, the default, is QUIC without multipath. */
  readonly maxPaths?: number
  /**
   * How many candidates the peer may name at a time, 1 … 63, if it may help to find direct paths; 0, the default, is none.
   * Takes several paths. draft-bruynooghe-n0-quic-nat-traversal
   */
  readonly maxRemoteCandidates?: number
  /** Whether the peer is told its address, and tells us ours. draft-ietf-quic-address-discovery */
  readonly addressDiscovery?: "none" | "provide" | "receive" | "both"
  /** The largest DATAGRAM frame we accept; 0 for none. RFC 9221 §3 */
  readonly maxDatagramFrameBytes: number
}

/** The TLS part of a connection's configuration. */
export interface TlsSettings {
  readonly alpn: ReadonlyArray<string>
  readonly cipherSuites: ReadonlyArray<number>
  readonly groups: ReadonlyArray<NamedGroup>
  /** client: the groups to send key shares for; default: the best one and X25519. */
  readonly keyShareGroups?: ReadonlyArray<NamedGroup> | undefined
  /** The certificate types we accept from the peer. */
  readonly peerCertificateTypes: ReadonlyArray<CertificateType>
  /** client: the identity presented on request; server: chosen by SNI. */
  readonly selectIdentity: (serverName: string | undefined) => TlsIdentity | undefined
  readonly requestClientCertificate: "none" | "request" | "require"
  /** client only; undefined for an IP literal. RFC 6066 §3 */
  readonly serverName: string | undefined
  /** client: the host name or IP literal the server's certificate must name. */
  readonly expectedName: string | undefined
  readonly keyLog: boolean
}

/** The addresses a server prefers, by address family. RFC 9000 §9.6 */
export interface PreferredAddresses {
  readonly ipv4: SocketAddress | undefined
  readonly ipv6: SocketAddress | undefined
}

/** The configuration of a connection; immutable but for `resume`. */
export interface ConnectionConfig {
  readonly role: Role
  readonly suite: CryptoSuiteShape
  readonly random: RandomBytes
  /** The length of our connection IDs. */
  readonly connectionIdBytes: number
  /** Makes a connection ID that the endpoint can route. */
  readonly makeConnectionId: () => Uint8Array
  /** The stateless reset token for a connection ID. RFC 9000 §10.3.2 */
  readonly makeResetToken: (connectionId: Uint8Array) => Uint8Array
  /** server: makes the token with which a client at `remote` validates its address next time. RFC 9000 §8.1.3 */
  readonly makeAddressToken: (
    remote: SocketAddress,
    version: Version,
    nowMicros: number
  ) => Uint8Array | undefined
  /** The local address of a socket. */
  readonly addressOf: (socket: SocketNumber) => SocketAddress
  /** Whether the sockets read and write ECN marks. RFC 9000 §13.4 */
  readonly ecn: boolean
  /** server: the preferred_address it declares. */
  readonly preferred: PreferredAddresses | undefined
  /** Until the handshake is confirmed. */
  tls: TlsSettings | undefined
  readonly transport: TransportSettings
  readonly limits: Limits
  /** Makes what decides which of several paths data is sent on; by default the one on which it arrives earliest. */
  readonly scheduler?: () => PathScheduler
  readonly observer: PacketObserver | undefined
  /** client: the session to resume, and whether tickets are wanted; cleared once the handshake is confirmed. */
  resume: ClientResumption | undefined
  /** server: undefined when it neither issues nor accepts tickets. */
  readonly tickets: ServerResumption | undefined
}

const defaultVersions = { client: [Version.v1], server: [Version.v2, Version.v1] } as const

export const versionsOf = (role: Role, { versions }: TransportSettings): ReadonlyArray<Version> =>
  versions === undefined ? defaultVersions[role] : versions.map((name) => Version[name])

/** The version of a client's first flight. RFC 9368 §2 */
export const originalVersionOf = (transport: TransportSettings): Version =>
  transport.originalVersion === undefined
    ? versionsOf("client", transport)[0]
    : Version[transport.originalVersion]
