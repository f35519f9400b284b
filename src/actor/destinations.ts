/** Resolves a host name or literal to addresses that a socket can reach. */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type { AddressResolver } from "effect/net/AddressResolver"
import * as NetAddress from "effect/net/NetAddress"
import type { UdpSocket } from "../capability/UdpPort.ts"
import { type QuicError, quicError, ResolveFailed, Unreachable } from "../QuicError.ts"
import { whyUnreachable } from "../wire/destination.ts"
import { formatAddress, type SocketAddress, socketAddress, type ZoneName } from "../wire/SocketAddress.ts"

export interface Surroundings {
  readonly resolver: Option.Option<AddressResolver["Service"]>
  readonly zoneName: ZoneName | undefined
}

/** Candidate addresses, best first; never empty. */
type Destinations = readonly [SocketAddress, ...Array<SocketAddress>]

/**
 * Resolves `host`, a name or a literal in any notation, to addresses reachable from `socket`. IPv4 addresses of a name
 * come first, since servers bind IPv4 by default.
 */
export const destinations = (
  { resolver, zoneName }: Surroundings,
  socket: UdpSocket,
  host: string,
  port: number
): Effect.Effect<Destinations, QuicError> => {
  const literal = socketAddress(host, port, zoneName)
  if (literal !== undefined) return reachable([literal], socket, host)
  if (Option.isNone(resolver)) return unresolved(host, "no AddressResolver is provided")
  const only = socket.localAddress.family === 4 ? { family: "IPv4" as const } : {}
  return resolver.value.resolve(`${host}:${port}`, only).pipe(
    Effect.catch((error) =>
      unresolved(
        host,
        error._tag === "DnsError" && error.reason === "NotFound" ? "no such host" : error.message
      )
    ),
    Effect.flatMap((found) => {
      const addresses = found.flatMap((one) => {
        const address =
          "address" in one ? socketAddress(NetAddress.formatHost(one), one.port, zoneName) : undefined
        return address === undefined ? [] : [address]
      })
      return reachable(
        addresses.sort((a, b) => a.family - b.family),
        socket,
        host
      )
    })
  )
}

const unresolved = (host: string, problem: string): Effect.Effect<never, QuicError> =>
  Effect.fail(quicError(new ResolveFailed({ host, problem })))

const reachable = (
  addresses: ReadonlyArray<SocketAddress>,
  { localAddress }: UdpSocket,
  host: string
): Effect.Effect<Destinations, QuicError> => {
  const [first, ...rest] = addresses.filter((each) => whyUnreachable(localAddress, each) === undefined)
  if (first !== undefined) return Effect.succeed([first, ...rest])
  if (addresses.length === 0) return unresolved(host, "not an IP address")
  const [address] = addresses
  return Effect.fail(quicError(unreachable(address, whyUnreachable(localAddress, address)!)))
}

export const unreachable = (address: SocketAddress, problem: string): Unreachable =>
  new Unreachable({ address: formatAddress(address), problem })
