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

/** Addresses of a name that are tried; a name server may list any number. */
const MAX_ADDRESSES = 16

/** Candidate addresses, best first; never empty. */
type Destinations = readonly [SocketAddress, ...Array<SocketAddress>]

/**
 * Resolves `host`, a name or a literal in any notation, to addresses reachable from `socket`, the families in turn and
 * IPv6 first. RFC 8305 §4
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
      return reachable(interleaved(addresses), socket, host)
    })
  )
}

/** IPv6 first, then the families in turn, each in the order of the resolver. */
const interleaved = (addresses: ReadonlyArray<SocketAddress>): ReadonlyArray<SocketAddress> => {
  const six = addresses.filter(({ family }) => family === 6)
  const four = addresses.filter(({ family }) => family === 4)
  return Array.from({ length: Math.max(six.length, four.length) }, (_, i) => [six[i], four[i]])
    .flat()
    .filter((each) => each !== undefined)
}

const unresolved = (host: string, problem: string): Effect.Effect<never, QuicError> =>
  Effect.fail(quicError(new ResolveFailed({ host, problem })))

const reachable = (
  addresses: ReadonlyArray<SocketAddress>,
  { localAddress }: UdpSocket,
  host: string
): Effect.Effect<Destinations, QuicError> => {
  const [first, ...rest] = addresses.filter((each) => whyUnreachable(localAddress, each) === undefined)
  if (first !== undefined) return Effect.succeed([first, ...rest.slice(0, MAX_ADDRESSES - 1)])
  if (addresses.length === 0) return unresolved(host, "not an IP address")
  const [address] = addresses
  return Effect.fail(quicError(unreachable(address, whyUnreachable(localAddress, address)!)))
}

export const unreachable = (address: SocketAddress, problem: string): Unreachable =>
  new Unreachable({ address: formatAddress(address), problem })
