/**
 * Intents: how a message is to be sent, and until when it is worth sending.
 *
 * | intent             | call                                                  |
 * |--------------------|-------------------------------------------------------|
 * | reliable-ordered   | `QuicStream.write`; one stream for all                |
 * | reliable-unordered | `QuicConnection.sendMessage`; a stream for each       |
 * | realtime           | `QuicConnection.sendDatagram` with `deadlineMillis`   |
 * | latest-only        | `QuicConnection.sendDatagram` with `latest`           |
 *
 * @since 0.1.0
 */
import type * as Effect from "effect/Effect"
import { isRecord } from "./arguments.ts"
import { invalidOption, type QuicError } from "./QuicError.ts"
import type { DatagramIntent } from "./stream/DatagramQueue.ts"

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
 *   connection.sendDatagram(position, { latest: player, deadlineMillis: 100 })
 * ```
 *
 * @category options
 * @since 0.1.0
 */
export interface DatagramOptions extends MessageOptions {
  /**
   * How long the datagram may wait to be sent, in milliseconds; once it is sent, this has no effect. It is then dropped, with
   * the fate `"expired"`. Above 0 and finite, a fraction too; at most 2^53−1. Default: any time.
   */
  readonly deadlineMillis?: number
  /**
   * Names a value of which only the latest is worth sending: the datagram takes the place of the one with the same key
   * that still waits, whose fate is `"dropped"`. Any string or number. Default: it replaces none.
   */
  readonly latest?: string | number
}

export const badOptions = invalidOption("options", "an object of options")
const badPriority = invalidOption("priority", "an integer")
const badDeadline = invalidOption("deadlineMillis", "a number above 0 and at most 2^53-1")
const badLatest = invalidOption("latest", "a string or a number")

/** Checked by hand: a schema would cost more than the rest of sending a small datagram. */
const refuse = (
  options: unknown,
  known: ReadonlyArray<string>
): Effect.Effect<never, QuicError> | undefined => {
  if (!isRecord(options)) return badOptions
  for (const field of Object.keys(options))
    if (!known.includes(field)) return invalidOption(field, `one of the known options: ${known.join(", ")}`)
  const { priority, deadlineMillis, latest } = options
  if (priority !== undefined && !Number.isSafeInteger(priority)) return badPriority
  if (deadlineMillis !== undefined) {
    const isInRange =
      typeof deadlineMillis === "number" && deadlineMillis > 0 && deadlineMillis <= Number.MAX_SAFE_INTEGER
    if (!isInRange) return badDeadline
  }
  if (latest === undefined || typeof latest === "string" || typeof latest === "number") return undefined
  return badLatest
}

const messageFields = ["priority"]
const datagramFields = ["priority", "deadlineMillis", "latest"]

/** Why `options` are refused; undefined when they are not. */
export const refuseMessageOptions = (options: unknown): Effect.Effect<never, QuicError> | undefined =>
  options === undefined ? undefined : refuse(options, messageFields)

/** Why `options` are refused; undefined when they are not. */
export const refuseDatagramOptions = (options: unknown): Effect.Effect<never, QuicError> | undefined =>
  options === undefined ? undefined : refuse(options, datagramFields)

/** What `options`, which were checked, mean to a datagram that is sent at `nowMicros`. */
export const datagramIntent = (
  options: DatagramOptions,
  nowMicros: number,
  space: number
): DatagramIntent => ({
  priority: options.priority ?? 0,
  deadlineMicros:
    options.deadlineMillis === undefined
      ? Number.POSITIVE_INFINITY
      : nowMicros + options.deadlineMillis * 1000,
  latest: options.latest,
  space
})
