/** The little one has to know about IP address literals, which are never anything else where sockets are concerned. */

export const familyOf = (host: string): 4 | 6 => (host.includes(":") ? 6 : 4)

/** The last answer of `mapped`: datagrams leave in bursts to one address. */
let last = { host: "", mapped: "" }

/** How a socket of both families is told an IPv4 address. RFC 4291 §2.5.5.2 */
export const mapped = (host: string): string => {
  if (last.host !== host) last = { host, mapped: `::ffff:${host}` }
  return last.mapped
}
