/** Checks a destination before anything is sent to it. */
import { formatIp, isLinkLocalIpv6, parseIp } from "./ipAddress.ts"
import type { SocketAddress } from "./SocketAddress.ts"

/** A socket bound to this address receives datagrams for any local address. */
export const isWildcard = (host: string): boolean => host === "0.0.0.0" || host === "::"

/** Why a socket bound to `local` cannot reach `to`; undefined when it may. */
export const whyUnreachable = (local: SocketAddress, to: SocketAddress): string | undefined =>
  whyOtherWay(local, to) ?? whyNobody(to) ?? whyOtherFamily(local, to)

/** A made-up address is sent to on the socket that knows what it stands for, and on no other. */
const whyOtherWay = (local: SocketAddress, to: SocketAddress): string | undefined => {
  if ((local.relayed === undefined) === (to.relayed === undefined)) return undefined
  return to.relayed === undefined
    ? "it is not reached through a relay"
    : "it is reached through its relay only"
}

const whyNobody = ({ host, port }: SocketAddress): string | undefined => {
  if (port < 1 || port > 65_535) return `there is no port ${port}` // RFC 768
  if (isWildcard(host)) return "the unspecified address is nobody's"
  if (host === "255.255.255.255") return "it is the broadcast address, and QUIC is between two"
  const ip = parseIp(host)
  if (ip === undefined) return "it is no IP address"
  const { bytes, zone } = ip
  const isMulticast = bytes.length === 4 ? bytes[0] >> 4 === 14 : bytes[0] === 0xff
  if (isMulticast) return "it is a multicast address, and QUIC is between two"
  return isLinkLocalIpv6(bytes) && zone === undefined
    ? `it is link-local and does not say on which link, as ${host}%eth0 would`
    : undefined
}

const whyOtherFamily = (local: SocketAddress, to: SocketAddress): string | undefined =>
  local.family === to.family || local.host === "::"
    ? undefined
    : `it is an IPv${to.family} address, and the socket is bound to ${local.host}`

/** `address` as reported by the peer at `other`: a link-local one is on the same link, or meaningless here. */
export const onLinkOf = (address: SocketAddress, other: SocketAddress): SocketAddress | undefined => {
  const ip = parseIp(address.host)
  if (ip === undefined || !isLinkLocalIpv6(ip.bytes)) return address
  const zone = parseIp(other.host)?.zone
  return zone === undefined ? undefined : { ...address, host: `${formatIp(ip.bytes)}%${zone}` }
}
