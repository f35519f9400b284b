/**
 * The addresses of this machine, how they change, and which of them the system sends from.
 *
 * `effect-quic/layers/node` asks the operating system, `effect-quic/layers/sim` reads the table of a simulated host.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import type * as Effect from "effect/Effect"
import type * as Stream from "effect/Stream"
import type { SocketAddress } from "../wire/SocketAddress.ts"

/**
 * One address of an interface that is up.
 *
 * @category models
 * @since 0.1.0
 */
export interface InterfaceAddress {
  /** Name of the interface, such as `wlan0`. */
  readonly name: string
  /** IP literal that a socket can be bound to; a link-local one includes its zone. */
  readonly address: string
  /** IP version. */
  readonly family: 4 | 6
  /** Reaches only this machine. */
  readonly isLoopback: boolean
}

/**
 * The network interfaces of this machine.
 *
 * @category models
 * @since 0.1.0
 */
export interface NetworkInterfacesShape {
  /** The addresses of all interfaces that are up now. */
  readonly addresses: Effect.Effect<ReadonlyArray<InterfaceAddress>>
  /**
   * The addresses now, and again after each change; never ends. One who is slow to look sees the latest only.
   *
   * **Interruption**: stops watching, and leaves nothing behind.
   */
  readonly changes: Stream.Stream<ReadonlyArray<InterfaceAddress>>
  /** The address from which a socket bound to a wildcard sends to `remote`; undefined while nothing leads there. */
  readonly sourceAddress: (remote: SocketAddress) => Effect.Effect<string | undefined>
}

/**
 * The service that knows the network interfaces; with it, the connections of a client follow them.
 *
 * **Example** (Printing the addresses whenever they change)
 *
 * ```ts
 * import { Console, Effect, Stream } from "effect"
 * import { NetworkInterfaces } from "effect-quic"
 *
 * const print = Effect.gen(function* () {
 *   const { changes } = yield* NetworkInterfaces
 *   yield* Stream.runForEach(changes, (all) => Console.log(all.map(({ name, address }) => `${name} ${address}`)))
 * })
 * ```
 *
 * @category services
 * @since 0.1.0
 */
export class NetworkInterfaces extends Context.Service<NetworkInterfaces, NetworkInterfacesShape>()(
  "effect-quic/capability/NetworkInterfaces"
) {}
