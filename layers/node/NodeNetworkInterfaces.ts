/**
 * `NetworkInterfaces` from the operating system.
 *
 * Node has no access to netlink or its relatives, which would report a change when it happens: whoever watches
 * polls, and nobody else does. A change is thus seen within `pollInterval`, and one that is undone in between is not seen.
 * Nor is a change of routes alone, which leaves the addresses as they are.
 */
import * as dgram from "node:dgram"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schedule from "effect/Schedule"
import * as Stream from "effect/Stream"
import {
  type InterfaceAddress,
  NetworkInterfaces,
  type NetworkInterfacesShape
} from "../../src/capability/NetworkInterfaces.ts"
import { checkedMillis } from "../../src/durationOption.ts"
import { type SocketAddress, socketAddress } from "../../src/wire/SocketAddress.ts"
import { interfaces, zoneName } from "./interfaces.ts"

/**
 * How the interfaces are watched.
 *
 * @category options
 * @since 0.1.0
 */
export interface NodeNetworkInterfacesOptions {
  /** How often they are polled while somebody watches, which takes about 0.1 ms. 1 milli to 1 day, default 1 second. */
  readonly pollInterval?: Duration.Input
  /** What is polled. Default the operating system's list; another suits tests, and systems that know more. */
  readonly list?: () => ReadonlyArray<InterfaceAddress>
}

const same = (before: ReadonlyArray<InterfaceAddress>, now: ReadonlyArray<InterfaceAddress>): boolean =>
  before.length === now.length &&
  before.every(({ name, address }, i) => name === now[i].name && address === now[i].address)

/** An ephemeral socket is connected, which sends nothing, and asked for the address that was chosen. */
const sourceAddress = (remote: SocketAddress): Effect.Effect<string | undefined> =>
  Effect.callback((resume) => {
    const socket = dgram.createSocket({ type: remote.family === 6 ? "udp6" : "udp4", lookup: literal })
    let isClosed = false
    const close = (): void => {
      if (isClosed) return
      isClosed = true
      socket.removeAllListeners()
      socket.on("error", ignore)
      socket.close()
    }
    const finish = (source: string | undefined): void => {
      close()
      resume(Effect.succeed(source))
    }
    socket.once("error", () => finish(undefined))
    socket.connect(remote.port, remote.host, (error?: Error) => {
      if (isClosed) return
      if (error) return finish(undefined)
      const { address, port } = socket.address()
      finish(socketAddress(address, port, zoneName)?.host)
    })
    return Effect.sync(close)
  })

const ignore = (): void => {}

const literal: dgram.SocketOptions["lookup"] = (host, _options, callback) =>
  callback(null, host, host.includes(":") ? 6 : 4)

/**
 * The interfaces of this machine. It holds nothing: whoever watches polls.
 *
 * Throws a `QuicError` with `InvalidOption` for a bad interval.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = ({
  pollInterval = "1 second",
  list = interfaces
}: NodeNetworkInterfacesOptions = {}): NetworkInterfacesShape => {
  const pollMillis = Effect.runSync(checkedMillis("pollInterval", pollInterval, 1, 86_400_000))
  const addresses = Effect.sync(list)
  const polled = Stream.fromEffectSchedule(addresses, Schedule.spaced(pollMillis))
  return { addresses, changes: Stream.changesWith(polled, same), sourceAddress }
}

/**
 * Provides `NetworkInterfaces` from the operating system.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer: Layer.Layer<NetworkInterfaces> = Layer.succeed(NetworkInterfaces, make())
