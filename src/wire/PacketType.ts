/** The packet types of RFC 9000 §17, version-independent (the wire bits differ between v1 and v2). */
export const PacketType = {
  Initial: 0,
  ZeroRtt: 1,
  Handshake: 2,
  OneRtt: 3,
  Retry: 4,
  VersionNegotiation: 5
} as const
export type PacketType = (typeof PacketType)[keyof typeof PacketType]

/** Encryption levels of RFC 9001 §2.1; the same numbers as the packet types that carry them. */
export const Level = { Initial: 0, ZeroRtt: 1, Handshake: 2, OneRtt: 3 } as const
export type Level = (typeof Level)[keyof typeof Level]

/** Packet-number spaces of RFC 9000 §12.3; 0-RTT and 1-RTT share the application space. */
export const Space = { Initial: 0, Handshake: 1, Application: 2 } as const
export type Space = (typeof Space)[keyof typeof Space]

/** The spaces that end with the handshake. */
export type HandshakeSpace = typeof Space.Initial | typeof Space.Handshake

export const spaceOfLevel = (level: Level): Space =>
  level === Level.Initial ? Space.Initial : level === Level.Handshake ? Space.Handshake : Space.Application

/**
 * QUIC versions this endpoint supports. RFC 9000 §15, RFC 9369 §3
 *
 * @category constants
 * @since 0.1.0
 */
export const Version = {
  /** RFC 9000 */
  v1: 0x00000001,
  /** RFC 9369 */
  v2: 0x6b3343cf
} as const

/**
 * The number of a QUIC version.
 *
 * @category models
 * @since 0.1.0
 */
export type Version = (typeof Version)[keyof typeof Version]

const versionNames = new Map<number, keyof typeof Version>(
  Object.entries(Version).map(([name, number]) => [number, name as keyof typeof Version])
)

/** As options name it; undefined if this endpoint does not support it. */
export const knownVersion = (version: number): keyof typeof Version | undefined => versionNames.get(version)

/** For people: `v1`, or `0x1a2a3a4a` for one that has no name here. */
export const versionName = (version: number): string =>
  knownVersion(version) ?? `0x${version.toString(16).padStart(8, "0")}`
