/**
 * Which addresses a peer may have us send to. What it names is a claim: unchecked, it could point us at services that
 * only we can reach, or at groups. RFC 9000 §21.5, RFC 8445 §5.1.1.1
 */
import { AddressScope, addressScope } from "../wire/addressScope.ts"
import { formatIp, parseIp, unmap } from "../wire/ipAddress.ts"
import { type SocketAddress, socketAddress } from "../wire/SocketAddress.ts"

/** What depends on this host and its application. */
export interface ProbeScope {
  /**
   * Private ranges (RFC 1918, RFC 6598, RFC 4193) may be probed: the application says so, or this host is in one itself and
   * may have the peer as a neighbour.
   */
  readonly isPrivateAllowed: boolean
  /** Whether it is one of our names for a peer behind a relay, which mean nothing outside of this process. */
  readonly isRelayed: (address: SocketAddress) => boolean
}

/** Why an address is not probed. */
export type ScopeRefusal = "malformed" | "nowhere" | "loopback" | "linkLocal" | "private" | "relay" | "port"

/**
 * Services below this port answer strangers (DNS, NTP, SNMP, CLDAP), and no NAT maps to them unless it preserves the
 * inside port, where only QUIC's own is likely.
 */
const FIRST_PORT = 1024
const QUIC_PORT = 443

/** Why `address` may not be probed; undefined when it may. */
export const scopeRefusal = (address: SocketAddress, scope: ProbeScope): ScopeRefusal | undefined => {
  const { host, port } = address
  const bytes = parseIp(host)?.bytes
  if (bytes === undefined || !(Number.isInteger(port) && port >= 0 && port <= 0xffff)) return "malformed"
  if (port < FIRST_PORT && port !== QUIC_PORT) return "port"
  if (scope.isRelayed(address)) return "relay"
  const inner = embeddedIpv4(bytes)
  const refusal = refusalOf(addressScope(address), scope)
  if (refusal !== undefined || inner === undefined) return refusal
  return refusalOf(addressScope({ host: inner, port, family: 4 }), scope)
}

const refusalOf = (width: AddressScope, { isPrivateAllowed }: ProbeScope): ScopeRefusal | undefined => {
  switch (width) {
    case AddressScope.nowhere:
      return "nowhere"
    case AddressScope.host:
      return "loopback"
    case AddressScope.link:
      return "linkLocal"
    case AddressScope.site:
      return isPrivateAllowed ? undefined : "private"
    default:
      return undefined
  }
}

/** Whether any of this host's addresses is in a private range, by which `isPrivateAllowed` is decided. */
export const isInPrivateRange = (hosts: Iterable<string>): boolean => {
  for (const host of hosts) {
    const address = socketAddress(host, 0)
    if (address !== undefined && addressScope(address) === AddressScope.site) return true
  }
  return false
}

/**
 * The IPv4 address to which a translator or tunnel carries what is sent to this IPv6 address: it decides about the scope
 * too. Mapped addresses need no translator. RFC 4291 §2.5.5, RFC 6052 §2.1, RFC 8215, RFC 3056 §2, RFC 4380 §4
 */
const embeddedIpv4 = (bytes: Uint8Array): string | undefined => {
  if (bytes.length === 4) return undefined
  const mapped = unmap(bytes)
  if (mapped.length === 4) return formatIp(mapped)
  const startsWith = (...prefix: ReadonlyArray<number>) => prefix.every((byte, i) => bytes[i] === byte)
  if (startsWith(0x20, 0x02)) return formatIp(bytes.slice(2, 6))
  if (startsWith(0x20, 0x01, 0, 0)) return formatIp(bytes.slice(12).map((byte) => byte ^ 0xff))
  if (startsWith(0, 0x64, 0xff, 0x9b)) return formatIp(bytes.slice(12))
  // the compatible addresses of RFC 4291 §2.5.5.1, deprecated
  if (bytes.subarray(0, 12).every((byte) => byte === 0)) return formatIp(bytes.slice(12))
  return undefined
}
