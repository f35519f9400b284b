import { formatIp, isLinkLocalIpv6, parseIp, unmap } from "./ipAddress.ts"

/**
 * A UDP address, in canonical form: equal addresses have equal fields.
 *
 * @category models
 * @since 0.1.0
 */
export interface SocketAddress {
  /** IP literal without brackets; a link-local address includes its zone. */
  readonly host: string
  /** UDP port. */
  readonly port: number
  /** IP version. */
  readonly family: 4 | 6
  /**
   * Set if the address is made up, and stands for a peer behind a relay: which relay and peer, for people. Such an address
   * means nothing outside of this process.
   */
  readonly relayed?: string
}

/**
 * The system's notation for the zone of a link-local address; `undefined` asks for the default zone.
 *
 * @category models
 * @since 0.1.0
 */
export type ZoneName = (zone: string | undefined) => string | undefined

const asWritten: ZoneName = (zone) => zone

/**
 * The address in canonical form; undefined when `host` is not an IP literal. IPv4-mapped addresses become IPv4. A zone
 * is only kept on link-local addresses; without one, the system may know the only zone there is.
 */
export const socketAddress = (
  host: string,
  port: number,
  zoneName: ZoneName = asWritten
): SocketAddress | undefined => {
  const parsed = parseIp(host)
  if (parsed === undefined) return undefined
  const bytes = unmap(parsed.bytes)
  const zone = isLinkLocalIpv6(bytes) ? zoneName(parsed.zone) : undefined
  return {
    host: zone === undefined ? formatIp(bytes) : `${formatIp(bytes)}%${zone}`,
    port,
    family: bytes.length === 4 ? 4 : 6
  }
}

/** The address in a frame: 4 or 16 bytes of `bytes`, in canonical form. */
export const addressOfBytes = (
  bytes: Uint8Array,
  start: number,
  end: number,
  port: number
): SocketAddress => {
  const ip = unmap(bytes.subarray(start, end))
  return { host: formatIp(ip), port, family: ip.length === 4 ? 4 : 6 }
}

export const sameAddress = (a: SocketAddress, b: SocketAddress): boolean =>
  a === b || (a.port === b.port && a.host === b.host)

/**
 * An address as text: `192.0.2.1:443` or `[2001:db8::1]:443`; for a peer behind a relay, the relay and the peer.
 *
 * @category converting
 * @since 0.1.0
 */
export const formatAddress = ({ host, port, family, relayed }: SocketAddress): string =>
  relayed ?? (family === 6 ? `[${host}]:${port}` : `${host}:${port}`)
