/** A declared channel set, checked, and the channels as both sides see them at run time. */
import type * as Duration from "effect/Duration"
import * as Schema from "effect/Schema"
import { isRecord } from "../arguments.ts"
import { positiveMillis } from "../durationOption.ts"
import { InvalidOption, quicError } from "../QuicError.ts"
import { codecOf, type MessageCodec, type MessageSchema } from "./codec.ts"
import { hashOf, type Versions } from "./preamble.ts"

export const DEFAULT_MAX_BYTES = 16 * 1024 * 1024

export type Direction = "both" | "clientToServer" | "serverToClient"
export type Intent = "ordered" | "unordered" | "realtime" | "latest"

/** A channel, with everything decided. */
export interface ChannelSpec {
  readonly name: string
  readonly id: number
  readonly direction: Direction
  readonly intent: Intent
  readonly priority: number
  readonly maxBytes: number
  readonly deadlineMillis: number | undefined
  readonly replaySafe: boolean
  readonly codec: MessageCodec
}

/** Whether the messages of a channel are datagrams. */
export const isDatagrams = ({ intent }: ChannelSpec): boolean => intent === "realtime" || intent === "latest"

export interface SetSpec extends Versions {
  readonly name: string
  readonly id: number
  readonly channels: ReadonlyArray<ChannelSpec>
}

/** A channel as the application has declared it. */
export interface Declared {
  readonly direction: Direction
  readonly message: MessageSchema
  readonly intent?: Intent
  readonly priority?: number
  readonly maxBytes?: number
  readonly deadline?: Duration.Input
  readonly replaySafe?: boolean
  readonly encoding?: "binary" | "json"
}

export interface DeclaredSet {
  readonly version?: number
  readonly oldestVersion?: number
  readonly channels: Readonly<Record<string, Declared>>
}

const demand = (holds: boolean, field: string, problem: string): void => {
  if (!holds) throw quicError(new InvalidOption({ field, problem }))
}

const isIn = (value: unknown, low: number, high: number): boolean =>
  Number.isSafeInteger(value) && (value as number) >= low && (value as number) <= high

const onlyKnown = (given: object, known: ReadonlyArray<string>, field: string): void => {
  const unknown = Object.keys(given).find((key) => !known.includes(key))
  demand(unknown === undefined, `${field}${unknown}`, `one of the known options: ${known.join(", ")}`)
}

const directions: ReadonlyArray<unknown> = ["both", "clientToServer", "serverToClient"]
const intents: ReadonlyArray<unknown> = ["ordered", "unordered", "realtime", "latest"]
const channelFields = [
  "direction",
  "message",
  "intent",
  "priority",
  "maxBytes",
  "deadline",
  "replaySafe",
  "encoding"
]

const channelSpec = (name: string, declared: Declared): ChannelSpec => {
  const at = `channels.${name}`
  demand(isRecord(declared), at, "a channel: an object of options")
  onlyKnown(declared, channelFields, `${at}.`)
  const { direction, message, intent = "ordered", priority = 0, encoding = "binary" } = declared
  const { maxBytes = DEFAULT_MAX_BYTES, deadline, replaySafe = false } = declared
  demand(directions.includes(direction), `${at}.direction`, "both, clientToServer or serverToClient")
  demand(Schema.isSchema(message), `${at}.message`, "a Schema")
  demand(intents.includes(intent), `${at}.intent`, "ordered, unordered, realtime or latest")
  demand(Number.isSafeInteger(priority), `${at}.priority`, "an integer")
  demand(isIn(maxBytes, 1, 2 ** 32 - 1), `${at}.maxBytes`, "an integer from 1 to 2^32-1")
  demand(typeof replaySafe === "boolean", `${at}.replaySafe`, "true or false")
  demand(encoding === "binary" || encoding === "json", `${at}.encoding`, "binary or json")
  const deadlineMillis = positiveMillis(deadline)
  const isDeadline = deadline === undefined || (intent === "realtime" && deadlineMillis !== undefined)
  demand(isDeadline, `${at}.deadline`, "a duration above 0, on a realtime channel")
  const codec = codecOf(message, encoding)
  return {
    name,
    id: hashOf(name),
    direction,
    intent,
    priority,
    maxBytes,
    deadlineMillis,
    replaySafe,
    codec
  }
}

/** Throws a `QuicError` with `InvalidOption`. */
export const setSpec = (name: string, declared: DeclaredSet): SetSpec => {
  demand(typeof name === "string" && name.length > 0, "name", "text that is not empty")
  demand(isRecord(declared), "options", "an object of options")
  onlyKnown(declared, ["version", "oldestVersion", "channels"], "")
  const { version = 1, oldestVersion = version, channels: given } = declared
  demand(isIn(version, 1, 65_535), "version", "an integer from 1 to 65535")
  demand(isIn(oldestVersion, 1, version), "oldestVersion", "an integer from 1 to `version`")
  demand(isRecord(given) && Object.keys(given).length > 0, "channels", "an object of at least one channel")
  const channels = Object.entries(given).map(([key, channel]) => channelSpec(key, channel))
  for (const { id, name: key } of channels) {
    const twin = channels.find((other) => other.id === id && other.name !== key)
    demand(twin === undefined, `channels.${key}`, `a name with another hash than that of ${twin?.name}`)
  }
  return { name, id: hashOf(name), version, oldest: oldestVersion, channels }
}
