/** Network interfaces, queried on every call as they change. */
import { networkInterfaces } from "node:os"
import type { InterfaceAddress } from "../../src/capability/NetworkInterfaces.ts"
import type { ZoneName } from "../../src/wire/SocketAddress.ts"

/** The names and numbers of the interfaces that have link-local addresses. */
const links = (): ReadonlyMap<string, number> => {
  const found = new Map<string, number>()
  for (const [name, addresses = []] of Object.entries(networkInterfaces()))
    for (const { scopeid } of addresses) if (scopeid) found.set(name, scopeid)
  return found
}

/** Sockets use the interface name as zone, on Windows its index; addresses may be written with either. RFC 4007 §11.2 */
export const zoneName: ZoneName = (zone) => {
  const all = [...links()]
  const written = ([name, number]: readonly [string, number]): string =>
    process.platform === "win32" ? String(number) : name
  if (zone === undefined) return all.length === 1 ? written(all[0]) : undefined
  const link = all.find(([name, number]) => name === zone || String(number) === zone)
  return link === undefined ? zone : written(link)
}

/** The addresses of this machine, as formatted by sockets; libuv lists those of interfaces that are up and running. */
export const interfaces = (): ReadonlyArray<InterfaceAddress> =>
  Object.entries(networkInterfaces()).flatMap(([name, addresses = []]) =>
    addresses.map(({ address, family, internal, scopeid }) => ({
      name,
      address: scopeid ? `${address}%${process.platform === "win32" ? scopeid : name}` : address,
      family: family === "IPv6" ? 6 : 4,
      isLoopback: internal
    }))
  )

/** Every bindable address of this machine. */
export const interfaceAddresses = (): ReadonlyArray<string> => interfaces().map(({ address }) => address)
