/** Helpers for IP address literals; sockets take no other hosts. */

export const familyOf = (host: string): 4 | 6 => (host.includes(":") ? 6 : 4)

/** Cache of the last `mapped` result, as datagrams are sent in bursts to one address. */
let last = { host: "", mapped: "" }

/** The IPv4-mapped form of an address, for dual-stack sockets. RFC 4291 §2.5.5.2 */
export const mapped = (host: string): string => {
  if (last.host !== host) last = { host, mapped: `::ffff:${host}` }
  return last.mapped
}
