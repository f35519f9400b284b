import { formatIp, isLinkLocalIpv6, parseIp, unmap } from "./ipAddress.ts"

/**
 * A UDP address as the core sees it: `host` is an IP literal without brackets, in canonical form, so that equal
 * addresses are equal texts.
 */
export interface SocketAddress {
  readonly host: string
  readonly port: number
  readonly family: 4 | 6
}

/** How sockets write the zone of a link-local address; `undefined` asks for the one it has when none is written. */
export type ZoneName = (zone: string | undefined) => string | undefined

const asWritten: ZoneName = (zone) => zone

/**
 * The address in canonical form; undefined when `host` is no IP literal. An IPv4-mapped address is the IPv4 address, and
 * a zone is kept only where it belongs to the address: without one, all the system may know is that there is no choice.
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

export const sameAddress = (a: SocketAddress, b: SocketAddress): boolean =>
  a === b || (a.port === b.port && a.host === b.host)

/** `192.0.2.1:443` or `[2001:db8::1]:443`. */
export const formatAddress = ({ host, port, family }: SocketAddress): string =>
  family === 6 ? `[${host}]:${port}` : `${host}:${port}`
