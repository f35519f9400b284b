/** The options of a runner, checked, and what they mean for connections between runners. */
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type { RunnerAddress } from "effect/cluster/RunnerAddress"
import type { ShardingConfig } from "effect/cluster/ShardingConfig"
import { checkedMillis } from "../durationOption.ts"
import type { EndpointOptions } from "../EndpointOptions.ts"
import type { Identity } from "../Identity.ts"
import { invalidOption, type QuicError } from "../QuicError.ts"
import type { LivenessOptions } from "../Liveness.ts"
import type { TransportOptions } from "../QuicOptions.ts"
import { socketAddress } from "../wire/SocketAddress.ts"

/**
 * How a runner talks to others.
 *
 * @category options
 * @since 0.1.0
 */
export interface RunnerOptions {
  /** What this runner proves itself with, to those it calls and to those that call it. */
  readonly identity: Identity
  /** Application protocol that the runners of a cluster have in common. 1 to 255 bytes, default `"effect-cluster"`. */
  readonly alpn?: string
  /** Name that the certificates of other runners must carry. Default: the host of their `RunnerAddress`. */
  readonly serverName?: string
  /**
   * Silence after which the connection to a runner counts as lost, if it usually answers promptly; later if its answers vary
   * (see `Liveness`), at the latest after twice that. 500 millis to 1 minute, default 3 seconds.
   *
   * A runner that has nothing to say is asked for a sign of life four times in this time. Time in which this process itself
   * stands still does not count.
   */
  readonly maxSilence?: Duration.Input
  /**
   * Time in which a lost connection must be replaced, before its runner counts as dead and its shards move; and the
   * longest time a call waits for a connection. 100 millis to 1 minute, default 1 second.
   */
  readonly reconnectTimeout?: Duration.Input
  /** Largest message sent and accepted. 1 to 2^32−1, default 16 MiB. */
  readonly maxFrameBytes?: number
  /** Other options of the endpoint: its host and port instead of the runner's, its limits. Default none. */
  readonly endpoint?: Omit<EndpointOptions, "server">
}

/** Options that are there. */
export interface RunnerSettings {
  readonly identity: Identity
  readonly alpn: string
  readonly serverName: string | undefined
  readonly reconnectMillis: number
  readonly frames: { readonly maxFrameBytes?: number }
  /** A silence that is suspicious ends a connection; one that is twice as long ends it in any case. */
  readonly liveness: LivenessOptions
  readonly transport: TransportOptions
  readonly endpoint: Omit<EndpointOptions, "server">
}

export const runnerSettings = Effect.fnUntraced(function* (
  options: RunnerOptions
): Effect.fn.Return<RunnerSettings, QuicError> {
  const { maxFrameBytes, maxSilence = "3 seconds", reconnectTimeout = "1 second" } = options
  const silenceMillis = yield* checkedMillis("maxSilence", maxSilence, 500, 60_000)
  const reconnectMillis = yield* checkedMillis("reconnectTimeout", reconnectTimeout, 100, 60_000)
  if (maxFrameBytes !== undefined) yield* integer("maxFrameBytes", maxFrameBytes, 1, 2 ** 32 - 1)
  return {
    identity: options.identity,
    alpn: yield* protocolName(options.alpn),
    serverName: options.serverName,
    reconnectMillis,
    frames: maxFrameBytes === undefined ? {} : { maxFrameBytes },
    // suspected after a heartbeat, the pause, and 5.6 standard deviations
    liveness: {
      heartbeat: silenceMillis / 4,
      acceptablePause: silenceMillis / 2,
      minDeviation: silenceMillis / 30
    },
    transport: { maxIdleTimeout: 2 * silenceMillis },
    endpoint: options.endpoint ?? {}
  }
})

const protocolName = (given: unknown = "effect-cluster"): Effect.Effect<string, QuicError> =>
  typeof given === "string" && given.length > 0 && new TextEncoder().encode(given).length <= 255
    ? Effect.succeed(given)
    : invalidOption("alpn", "text of 1 to 255 bytes")

const integer = (
  field: string,
  given: number,
  minimum: number,
  maximum: number
): Effect.Effect<number, QuicError> =>
  Number.isSafeInteger(given) && given >= minimum && given <= maximum
    ? Effect.succeed(given)
    : invalidOption(field, `an integer from ${minimum} to ${maximum}`)

/** The options of the endpoint of a runner that others call. A name cannot be bound: all addresses are. */
export const listening = (
  settings: RunnerSettings,
  config: ShardingConfig["Service"]
): Effect.Effect<EndpointOptions, QuicError> => {
  const address = Option.orElse(config.runnerListenAddress, () => config.runnerAddress)
  if (Option.isNone(address))
    return invalidOption("runnerAddress", "an address: a runner without one is layerClientOnly")
  const { alpn, endpoint, identity, transport } = settings
  return Effect.succeed({
    ...place(address.value),
    ...endpoint,
    server: { alpn: [alpn], identity, clientCertificate: "require", transport }
  })
}

const place = ({ host, port }: RunnerAddress): Pick<EndpointOptions, "host" | "port"> =>
  socketAddress(host, port) === undefined ? { port } : { host, port }
