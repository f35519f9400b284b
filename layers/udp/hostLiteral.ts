/** The little one has to know about IP address literals, which are never anything else where sockets are concerned. */

export const familyOf = (host: string): 4 | 6 => (host.includes(":") ? 6 : 4)

/** Bound to this, a socket takes what is sent to any address of the machine. */
export const isWildcard = (host: string): boolean => host === "0.0.0.0" || host === "::"

const mappedPrefix = "::ffff:"

/** The IPv4 address that an IPv4-mapped IPv6 address stands for; any other host unchanged. RFC 4291 §2.5.5.2 */
export const unmapped = (host: string): string =>
  host.startsWith(mappedPrefix) && host.includes(".") ? host.slice(mappedPrefix.length) : host

export const mapped = (host: string): string => mappedPrefix + host
