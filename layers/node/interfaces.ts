/** What the system says of its network interfaces, asked anew each time: they come and go. */
import { networkInterfaces } from "node:os"
import type { ZoneName } from "../../src/wire/SocketAddress.ts"

/** The names and numbers of the interfaces that have link-local addresses. */
const links = (): ReadonlyMap<string, number> => {
  const found = new Map<string, number>()
  for (const [name, addresses = []] of Object.entries(networkInterfaces()))
    for (const { scopeid } of addresses) if (scopeid) found.set(name, scopeid)
  return found
}

/** Sockets name zones by interface, on Windows by its number; whoever writes an address may do either. RFC 4007 §11.2 */
export const zoneName: ZoneName = (zone) => {
  const all = [...links()]
  const written = ([name, number]: readonly [string, number]): string =>
    process.platform === "win32" ? String(number) : name
  if (zone === undefined) return all.length === 1 ? written(all[0]) : undefined
  const link = all.find(([name, number]) => name === zone || String(number) === zone)
  return link === undefined ? zone : written(link)
}

/** Every address of this machine that can be bound, in the form that sockets write it. */
export const interfaceAddresses = (): ReadonlyArray<string> =>
  Object.entries(networkInterfaces()).flatMap(([name, addresses = []]) =>
    addresses.map(({ address, scopeid }) =>
      scopeid ? `${address}%${process.platform === "win32" ? scopeid : name}` : address
    )
  )
