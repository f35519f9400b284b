/**
 * A relay: carries QUIC packets between peers that cannot reach each other, over WebSockets, and tells clients their address.
 *
 * It speaks iroh's relay protocol, version 2, so that iroh's endpoints can use it too. A client proves that it holds its
 * Ed25519 key, and gets what is sent to that key. What is passed on is encrypted between the peers: the relay sees who
 * sends how much to whom, and when.
 *
 * **Example** (For development, without TLS)
 *
 * ```ts
 * import { NodeRuntime } from "@effect/platform-node"
 * import { Console, Effect } from "effect"
 * import { layer, RelayServer } from "effect-quic/layers/node"
 *
 * const program = Effect.gen(function* () {
 *   const relay = yield* RelayServer.make()
 *   yield* Console.log(relay.url)
 *   return yield* Effect.never
 * })
 *
 * NodeRuntime.runMain(program.pipe(Effect.scoped, Effect.provide(layer)))
 * ```
 *
 * @since 0.1.0
 */
import type * as Http from "node:http"
import type { AddressInfo } from "node:net"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"
import * as AddressDiscovery from "../../../src/AddressDiscovery.ts"
import { checkRecord } from "../../../src/arguments.ts"
import type { CertificateVerifier } from "../../../src/capability/CertificateVerifier.ts"
import { CryptoSuite } from "../../../src/capability/CryptoSuite.ts"
import { Entropy } from "../../../src/capability/Entropy.ts"
import type { UdpPort } from "../../../src/capability/UdpPort.ts"
import { checkedMillis } from "../../../src/durationOption.ts"
import { BindFailed, type QuicError, quicError } from "../../../src/QuicError.ts"
import { RelayHub } from "../../../src/relay/RelayHub.ts"
import { statisticsOf } from "../../../src/relay/RelayStatistics.ts"
import { type RelayServerOptions, relayServerSettings } from "../../../src/RelayServerOptions.ts"
import type { RelayDrainOptions, RelayServerShape } from "../../../src/RelayServerShape.ts"
import { formatAddress, type SocketAddress, socketAddress } from "../../../src/wire/SocketAddress.ts"
import { HubTimer } from "./HubTimer.ts"
import { publishRelayMetrics } from "./relayMetrics.ts"
import { createHttpServer, RelayUpgrades } from "./relayHttp.ts"

export {
  RelayServerLimits,
  type RelayDiscoveryOptions,
  type RelayServerOptions
} from "../../../src/RelayServerOptions.ts"
export type { RelayDrained, RelayDrainOptions, RelayServerShape } from "../../../src/RelayServerShape.ts"
export type { RelayStatistics } from "../../../src/relay/RelayStatistics.ts"

/**
 * The service of a running relay.
 *
 * @category services
 * @since 0.1.0
 */
export class RelayServer extends Context.Service<RelayServer, RelayServerShape>()(
  "effect-quic/layers/node/RelayServer"
) {}

const listen = (
  server: Http.Server,
  host: string,
  port: number
): Effect.Effect<SocketAddress, QuicError, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.callback<SocketAddress, QuicError>((resume) => {
      const refused = (error: NodeJS.ErrnoException) => resume(Effect.fail(bindFailed(host, port, error)))
      server.once("error", refused)
      server.listen({ host, port }, () => {
        server.off("error", refused)
        // what fails while it listens, such as too many files, concerns one connection
        server.on("error", () => {})
        const { address, port: bound } = server.address() as AddressInfo
        resume(Effect.succeed(socketAddress(address, bound)!))
      })
    }),
    () =>
      Effect.callback<void>((resume) => {
        server.close(() => resume(Effect.void))
        server.closeAllConnections()
      })
  )

const advice: Readonly<Record<string, string | undefined>> = {
  EADDRINUSE: "the port is in use; choose another one, or 0 for any free port",
  EADDRNOTAVAIL: "no interface of this machine has this address",
  EACCES: "ports below 1024 need privileges on most systems",
  ENOTFOUND: "there is no host of this name"
}

const bindFailed = (host: string, port: number, { code = "", message }: NodeJS.ErrnoException): QuicError =>
  quicError(
    new BindFailed({
      address: `${host}:${port}`,
      problem: `Cannot bind a TCP socket to ${host} port ${port}: ${advice[code] ?? "the system refused"} (${message})`
    })
  )

const isAny = (host: string): boolean => host === "0.0.0.0" || host === "::"

const urlOf = (scheme: "http" | "https", address: SocketAddress): string =>
  new URL(
    `${scheme}://${formatAddress(isAny(address.host) ? { ...address, host: "127.0.0.1", family: 4 } : address)}/`
  ).href

/** How often a drain looks who is left. */
const DRAIN_POLL = "50 millis"
const DAY_MILLIS = 86_400_000

const drainHub = Effect.fnUntraced(function* (hub: RelayHub, options: RelayDrainOptions = {}) {
  yield* checkRecord(options, "options")
  const { reconnectIn = "1 second", tryFor = "1 minute", deadline = "5 seconds" } = options
  const reconnectInMillis = yield* checkedMillis("reconnectIn", reconnectIn, 0, DAY_MILLIS)
  const tryForMillis = yield* checkedMillis("tryFor", tryFor, 0, DAY_MILLIS)
  const deadlineMillis = yield* checkedMillis("deadline", deadline, 0, DAY_MILLIS)
  const before = hub.connections - hub.pendingConnections
  hub.drain(reconnectInMillis, tryForMillis)
  const empty = Effect.gen(function* () {
    while (hub.connections > 0) yield* Effect.sleep(DRAIN_POLL)
  })
  yield* Effect.timeoutOption(empty, deadlineMillis)
  const cutOff = hub.connections
  hub.closeAll()
  return { left: before - cutOff, cutOff }
})

/**
 * Starts a relay, which runs until the scope closes.
 *
 * Fails with `InvalidOption` and `BindFailed`. **Interruption**: leaves no socket bound.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = Effect.fnUntraced(function* (
  options: RelayServerOptions = {}
): Effect.fn.Return<
  RelayServerShape,
  QuicError,
  CryptoSuite | Entropy | UdpPort | CertificateVerifier | Scope.Scope
> {
  const settings = yield* relayServerSettings(options)
  const crypto = yield* CryptoSuite
  const { randomBytes } = yield* Entropy
  const hub = new RelayHub({ ...settings, crypto, random: randomBytes })
  const timer = new HubTimer(hub)
  const server = createHttpServer(settings.identity)
  new RelayUpgrades(hub, crypto, timer).attach(server)
  const address = yield* listen(server, settings.host, settings.port)
  // runs first: who is connected is told why
  yield* Effect.addFinalizer(() =>
    Effect.sync(() => {
      hub.closeAll()
      timer.stop()
    })
  )
  const statistics = Effect.sync(() => statisticsOf(hub))
  yield* publishRelayMetrics(address, () => statisticsOf(hub))
  return {
    url: settings.url ?? urlOf(settings.identity === undefined ? "http" : "https", address),
    address,
    discovery:
      settings.discovery === undefined ? undefined : yield* AddressDiscovery.serve(settings.discovery),
    statistics,
    drain: (drainOptions) => drainHub(hub, drainOptions)
  }
})

/**
 * A running relay as a layer; as `make`.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = (
  options: RelayServerOptions = {}
): Layer.Layer<RelayServer, QuicError, CryptoSuite | Entropy | UdpPort | CertificateVerifier> =>
  Layer.effect(RelayServer, make(options))
