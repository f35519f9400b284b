/** `AddressResolver` of a simulated host: the names of the hosts around it, and `localhost` for itself. */
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import { AddressResolver, make } from "effect/net/AddressResolver"
import { makeStatic } from "effect/net/Dns"
import { isDomainName } from "effect/net/Host"

/** Who is where now. */
export type HostNames = () => ReadonlyMap<string, { readonly addresses: ReadonlyArray<string> }>

/** Names are looked up when they are asked for, as addresses change. */
export const simAddressResolver = (
  own: { readonly addresses: ReadonlyArray<string> },
  names: HostNames
): AddressResolver["Service"] => {
  const resolver = Effect.suspend(() => {
    const hosts: Record<string, ReadonlyArray<string>> = {}
    for (const [name, { addresses }] of names()) if (isDomainName(name)) hosts[name] = addresses
    const loopback = own.addresses.filter((address) => address === "::1" || address.startsWith("127."))
    hosts.localhost = loopback.length > 0 ? loopback : own.addresses
    return Effect.fromResult(Result.map(makeStatic({ hosts }), (dns) => make(dns)))
  })
  return AddressResolver.of({
    resolve: ((target: never, options: never) =>
      Effect.flatMap(resolver, (now) =>
        now.resolve(target, options)
      )) as AddressResolver["Service"]["resolve"]
  })
}
