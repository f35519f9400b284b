/** How the messages of a channel become bytes. */
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { SchemaBinary } from "effect/encoding"
import { isBytes } from "../arguments.ts"

/**
 * A schema of messages: it encodes and decodes without services.
 *
 * @category models
 * @since 0.1.0
 */
export type MessageSchema = Schema.Codec<unknown, unknown>

export interface MessageCodec {
  encode(message: unknown): Effect.Effect<Uint8Array, Schema.SchemaError>
  decode(bytes: Uint8Array): Effect.Effect<unknown, Schema.SchemaError>
}

/** Bytes are what they are. */
const raw: MessageCodec = {
  encode: (message) =>
    isBytes(message) ? Effect.succeed(message) : Schema.encodeUnknownEffect(Schema.Uint8Array)(message),
  decode: (bytes) => Effect.succeed(bytes.slice())
}

const binary = (schema: MessageSchema): MessageCodec => {
  const codec = SchemaBinary.toCodec(schema)
  return { encode: Schema.encodeUnknownEffect(codec), decode: Schema.decodeUnknownEffect(codec) }
}

const json = (schema: MessageSchema): MessageCodec => {
  const codec = Schema.fromJsonString(Schema.toCodecJson(schema))
  const encode = Schema.encodeUnknownEffect(codec)
  const decode = Schema.decodeUnknownEffect(codec)
  const encoder = new TextEncoder()
  // what is no UTF-8 becomes U+FFFD, and with that no JSON, or a string that is not what was meant: the schema decides
  const decoder = new TextDecoder()
  return {
    encode: (message) => Effect.map(encode(message), (text) => encoder.encode(text)),
    decode: (bytes) => decode(decoder.decode(bytes))
  }
}

export const codecOf = (schema: MessageSchema, encoding: "binary" | "json"): MessageCodec => {
  if (schema === Schema.Uint8Array) return raw
  return encoding === "json" ? json(schema) : binary(schema)
}
