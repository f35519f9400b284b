import type { Role } from "../wire/Role.ts"
import type { CertificateType } from "../capability/CertificateVerifier.ts"
import type { CryptoSuiteShape, NamedGroup, RandomBytes } from "../capability/CryptoSuite.ts"
import type { ClientResumption, ServerResumption, TlsIdentity } from "../handshake/TlsSession.ts"
import { Version } from "../wire/PacketType.ts"
import type { SocketAddress } from "../wire/SocketAddress.ts"
import type { PacketObserver } from "./PacketObserver.ts"

/** The size a path must carry to be fit for QUIC. RFC 9000 §14 */
export const MINIMUM_DATAGRAM_BYTES = 1200

/** Room below which no packet is started in a datagram: header, tag and a few frames. */
export const WORTHWHILE_BYTES = 96

export type VersionName = keyof typeof Version
export type CongestionAlgorithm = "cubic" | "newReno" | "bbr"

/** Limits and timings of a connection, already checked; units are in the names. */
export interface TransportSettings {
  /**
   * The versions spoken, best first. A client lets the server choose among all; a server goes on in the best one the
   * client offers. Left out: v1 for a client, v2 and v1 for a server. RFC 9368
   */
  readonly versions?: ReadonlyArray<VersionName>
  /** client: the one of `versions` its first flight is of; the best when left out. RFC 9368 §2 */
  readonly originalVersion?: VersionName
  /** 0 means never. RFC 9000 §10.1 */
  readonly maxIdleTimeoutMillis: number
  readonly handshakeTimeoutMillis: number
  /** How long a close waits for what was accepted to be delivered. */
  readonly closeTimeoutMillis: number
  /** A PING after this much silence; 0 means none. */
  readonly keepAliveIntervalMillis: number
  /** Receive window of the connection at the start, and the most it grows to. */
  readonly connectionWindowBytes: number
  readonly maxConnectionWindowBytes: number
  /** Receive window of each stream at the start, and the most it grows to. */
  readonly streamWindowBytes: number
  readonly maxStreamWindowBytes: number
  /** How many streams of each kind the peer may have open at once. */
  readonly maxBidirectionalStreams: number
  readonly maxUnidirectionalStreams: number
  /** How much a stream accepts before `write` waits. */
  readonly sendBufferBytes: number
  readonly congestion: CongestionAlgorithm
  readonly initialRttMillis: number
  /** The size every datagram has until a larger one is proven, 1200 … 65527. RFC 9000 §14 */
  readonly initialDatagramBytes: number
  /** The largest datagram path MTU discovery tries; equal to the initial size, it never probes. */
  readonly maxDatagramBytes: number
  /** The largest UDP payload we take. RFC 9000 §18.2 */
  readonly maxReceiveDatagramBytes: number
  readonly ackDelayExponent: number
  readonly maxAckDelayMillis: number
  /** The peer is told to stay where it is, and not followed when it does not. RFC 9000 §18.2 */
  readonly disableActiveMigration: boolean
  /** New connection IDs after this many packets and this long; 0 is never. RFC 9000 §9.5 */
  readonly rotateIdsAfterPackets: number
  readonly rotateIdsAfterMillis: number
  /** Connection IDs kept for the peer to use. RFC 9000 §5.1.1 */
  readonly activeConnectionIdLimit: number
  /** The largest DATAGRAM frame we take; 0 means none. RFC 9221 §3 */
  readonly maxDatagramFrameBytes: number
}

/** The TLS half of a connection's configuration. */
export interface TlsSettings {
  readonly alpn: ReadonlyArray<string>
  readonly cipherSuites: ReadonlyArray<number>
  readonly groups: ReadonlyArray<NamedGroup>
  /** client: those of `groups` to send key shares for at once; the best of them and X25519 when left out. */
  readonly keyShareGroups?: ReadonlyArray<NamedGroup> | undefined
  /** What we accept from the peer, and in which forms. */
  readonly peerCertificateTypes: ReadonlyArray<CertificateType>
  /** client: what we show when asked; server: chosen by SNI. */
  readonly selectIdentity: (serverName: string | undefined) => TlsIdentity | undefined
  readonly requestClientCertificate: "none" | "request" | "require"
  /** client only; undefined for an IP literal. RFC 6066 §3 */
  readonly serverName: string | undefined
  /** client: the host name or IP literal the server's certificate must name. */
  readonly expectedName: string | undefined
  readonly keyLog: boolean
}

/** Where a server would rather be talked to, by address family. RFC 9000 §9.6 */
export interface PreferredAddresses {
  readonly ipv4: SocketAddress | undefined
  readonly ipv6: SocketAddress | undefined
}

/** Everything a connection is given; none of it changes afterwards. */
export interface ConnectionConfig {
  readonly role: Role
  readonly suite: CryptoSuiteShape
  readonly random: RandomBytes
  /** The length of the connection IDs we issue. */
  readonly connectionIdBytes: number
  /** Makes a connection ID that the endpoint can route. */
  readonly makeConnectionId: () => Uint8Array
  /** The stateless-reset token that goes with one. RFC 9000 §10.3.2 */
  readonly makeResetToken: (connectionId: Uint8Array) => Uint8Array
  /** server: what a client at `remote` may prove its address with next time. RFC 9000 §8.1.3 */
  readonly makeAddressToken: (
    remote: SocketAddress,
    version: Version,
    nowMicros: number
  ) => Uint8Array | undefined
  /** The sockets read and write ECN marks. RFC 9000 §13.4 */
  readonly ecn: boolean
  /** server: what it declares as preferred_address. */
  readonly preferred: PreferredAddresses | undefined
  readonly tls: TlsSettings
  readonly transport: TransportSettings
  /** Undefined when nobody watches. */
  readonly observer: PacketObserver | undefined
  /** client: the session to take up again, and whether tickets are wanted; gone once the handshake is confirmed. */
  resume: ClientResumption | undefined
  /** server: undefined when it issues and takes no tickets. */
  readonly tickets: ServerResumption | undefined
}

export const versionsOf = (role: Role, { versions }: TransportSettings): ReadonlyArray<Version> =>
  (versions ?? (role === "client" ? (["v1"] as const) : (["v2", "v1"] as const))).map((name) => Version[name])

/** The version of a client's first flight. RFC 9368 §2 */
export const originalVersionOf = (transport: TransportSettings): Version =>
  transport.originalVersion === undefined
    ? versionsOf("client", transport)[0]
    : Version[transport.originalVersion]
