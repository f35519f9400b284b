/** `NetworkInterfaces` of a simulated host: its own table, whose changes are seen when they happen. */
import * as Effect from "effect/Effect"
import * as Queue from "effect/Queue"
import * as Stream from "effect/Stream"
import type { InterfaceAddress, NetworkInterfacesShape } from "../../src/capability/NetworkInterfaces.ts"
import { familyOf } from "../udp/hostLiteral.ts"
import type { HostInterfaces } from "./HostInterfaces.ts"

export const simNetworkInterfaces = (table: HostInterfaces): NetworkInterfacesShape => {
  const list = (): ReadonlyArray<InterfaceAddress> =>
    table.addresses.map((address) => {
      const isLoopback = address === "::1" || address.startsWith("127.")
      return {
        name: isLoopback ? "lo" : table.nameOf(address),
        address,
        family: familyOf(address),
        isLoopback
      }
    })
  const changes = Stream.callback<ReadonlyArray<InterfaceAddress>>(
    (queue) =>
      Effect.acquireRelease(
        Effect.sync(() => {
          const look = (): void => void Queue.offerUnsafe(queue, list())
          look()
          return table.watch(look)
        }),
        (unwatch) => Effect.sync(unwatch)
      ),
    { bufferSize: 1, strategy: "sliding" }
  )
  return {
    addresses: Effect.sync(list),
    changes,
    sourceAddress: (remote) =>
      Effect.sync(() => (table.owns(remote.host) ? remote.host : table.routeTo(remote, undefined)?.source))
  }
}
