/**
 * Intents: how a message is to be sent, and until when it is worth sending.
 *
 * | intent             | call                                                  |
 * |--------------------|-------------------------------------------------------|
 * | reliable-ordered   | `QuicStream.write`; one stream for all                |
 * | reliable-unordered | `QuicConnection.sendMessage`; a stream for each       |
 * | realtime           | `QuicConnection.sendDatagram` with `deadline`         |
 * | latest-only        | `QuicConnection.sendDatagram` with `latest`           |
 *
 * @since 0.1.0
 */
import * as Duration from "effect/Duration"
import type * as Effect from "effect/Effect"
import { isRecord } from "./arguments.ts"
import { positiveMillis } from "./durationOption.ts"
import { invalidOption, type QuicError } from "./QuicError.ts"
import {
  ANY_PATH,
  avoidingPath,
  LOWEST_COST,
  LOWEST_LATENCY,
  type PathHint,
  preferringPath
} from "./path/pathHint.ts"
import type { MessageIntent } from "./actor/sendMessage.ts"
import type { DatagramIntent } from "./stream/DatagramQueue.ts"

/**
 * On which path data is sent, while its connection has several. By default the scheduler decides.
 *
 * **Details**
 *
 * - `{ prefer: 1 }`: on the path with that `id`
 * - `{ prefer: "lowestLatency" }`: on the one of the lowest smoothed round-trip time
 * - `{ prefer: "lowestCost" }`: on the one, or those, of the lowest `cost`, which `openPath` and `QuicPath.setCost` set
 * - `{ avoid: 1 }`: on any but that one
 *
 * A hint outweighs the scheduler: the data waits for room on its path, and data with other hints, or none, does not wait
 * for it. It is no more than a hint, though: once none of the paths it allows carries data, as they are gone, silent or
 * kept as backups, the data is sent like any other.
 *
 * **Example** (Bulk on the network that costs nothing, heartbeats on the fastest)
 *
 * ```ts
 * import { Effect } from "effect"
 * import type { QuicConnection } from "effect-quic"
 *
 * const upload = Effect.fnUntraced(function* (connection: QuicConnection, file: Uint8Array) {
 *   yield* connection.openPath({ local: { host: "10.64.3.7" }, cost: 10 })
 *   const stream = yield* connection.openUni
 *   yield* stream.setPath({ prefer: "lowestCost" })
 *   yield* Effect.forkScoped(stream.write(file))
 *   yield* connection.sendMessage(Uint8Array.of(1), { path: { prefer: "lowestLatency" } })
 * })
 * ```
 *
 * @category options
 * @since 0.1.0
 */
export type PathPreference =
  | {
      /** The `id` of a path, or the one that is fastest or cheapest now. */
      readonly prefer: number | "lowestLatency" | "lowestCost"
    }
  | {
      /** The `id` of a path. */
      readonly avoid: number
    }

/**
 * How `sendMessage` sends.
 *
 * **Example** (A message that overtakes others)
 *
 * ```ts
 * import { Effect } from "effect"
 * import type { QuicConnection } from "effect-quic"
 *
 * const alarm = (connection: QuicConnection, text: string) =>
 *   connection.sendMessage(new TextEncoder().encode(text), { priority: 10 })
 *
 * // the peer: a fiber for each message
 * const listen = (connection: QuicConnection) =>
 *   connection.serveStreams((stream) => Effect.flatMap(stream.read(), (bytes) => Effect.log(bytes)))
 * ```
 *
 * @category options
 * @since 0.1.0
 */
export interface MessageOptions {
  /**
   * Of all streams and datagrams that wait, those of the highest priority are sent first; equal ones take turns. Any
   * integer from −(2^53−1) to 2^53−1, default 0.
   */
  readonly priority?: number
  /** On which path it is sent. Default: as the scheduler says. */
  readonly path?: PathPreference
}

/**
 * How `sendDatagram` and `deliverDatagram` send.
 *
 * **Example** (A position that is worth sending for 100 ms, unless a newer one is there)
 *
 * ```ts
 * import type { QuicConnection } from "effect-quic"
 *
 * const sendPosition = (connection: QuicConnection, player: string, position: Uint8Array) =>
 *   connection.sendDatagram(position, { latest: player, deadline: "100 millis" })
 * ```
 *
 * @category options
 * @since 0.1.0
 */
export interface DatagramOptions extends MessageOptions {
  /**
   * How long the datagram may wait to be sent; once it is sent, this has no effect. It is then dropped, with the fate
   * `"expired"`. Above 0, a fraction of a millisecond too. Default: any time.
   */
  readonly deadline?: Duration.Input
  /**
   * Names a value of which only the latest is worth sending: the datagram takes the place of the one with the same key
   * that still waits, whose fate is `"dropped"`. Any string or number. Default: it replaces none.
   */
  readonly latest?: string | number
}

export const badOptions = invalidOption("options", "an object of options")
const badPriority = invalidOption("priority", "an integer")
const badDeadline = invalidOption("deadline", "a duration above 0")
export const badPath = invalidOption(
  "path",
  '{ prefer } with the id of a path, "lowestLatency" or "lowestCost", or { avoid } with the id of a path'
)
const badLatest = invalidOption("latest", "a string or a number")

const isPathId = (id: unknown): id is number =>
  Number.isInteger(id) && (id as number) >= 0 && (id as number) < 2 ** 32

/** What `path` means; undefined for what is none. */
export const pathHintOf = (path: unknown): PathHint | undefined => {
  if (path === undefined) return ANY_PATH
  if (!isRecord(path) || Object.keys(path).length !== 1) return undefined
  const { prefer, avoid } = path
  if (prefer === "lowestLatency") return LOWEST_LATENCY
  if (prefer === "lowestCost") return LOWEST_COST
  if (isPathId(prefer)) return preferringPath(prefer)
  return isPathId(avoid) ? avoidingPath(avoid) : undefined
}

/** Checked by hand: a schema would cost more than the rest of sending a small datagram. */
const refuse = (
  options: unknown,
  known: ReadonlyArray<string>
): Effect.Effect<never, QuicError> | undefined => {
  if (!isRecord(options)) return badOptions
  for (const field of Object.keys(options))
    if (!known.includes(field)) return invalidOption(field, `one of the known options: ${known.join(", ")}`)
  const { priority, deadline, latest, path } = options
  if (path !== undefined && pathHintOf(path) === undefined) return badPath
  if (priority !== undefined && !Number.isSafeInteger(priority)) return badPriority
  if (deadline !== undefined && positiveMillis(deadline) === undefined) return badDeadline
  if (latest === undefined || typeof latest === "string" || typeof latest === "number") return undefined
  return badLatest
}

const messageFields = ["priority", "path"]
const datagramFields = ["priority", "path", "deadline", "latest"]

/** Why `options` are refused; undefined when they are not. */
export const refuseMessageOptions = (options: unknown): Effect.Effect<never, QuicError> | undefined =>
  options === undefined ? undefined : refuse(options, messageFields)

/** Why `options` are refused; undefined when they are not. */
export const refuseDatagramOptions = (options: unknown): Effect.Effect<never, QuicError> | undefined =>
  options === undefined ? undefined : refuse(options, datagramFields)

/** What `options`, which were checked, mean to a message. */
export const messageIntent = ({ priority = 0, path }: MessageOptions): MessageIntent => ({
  priority,
  hint: pathHintOf(path) ?? ANY_PATH
})

/** What `options`, which were checked, mean to a datagram that is sent at `nowMicros`. */
export const datagramIntent = (
  options: DatagramOptions,
  nowMicros: number,
  space: number
): DatagramIntent => ({
  priority: options.priority ?? 0,
  deadlineMicros:
    options.deadline === undefined
      ? Number.POSITIVE_INFINITY
      : nowMicros + Duration.toMillis(options.deadline) * 1000,
  latest: options.latest,
  space,
  hint: pathHintOf(options.path) ?? ANY_PATH
})
