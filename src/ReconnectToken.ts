/**
 * What a client needs to come back to a server at once, as a value that outlives its process: session tickets, the address
 * token, the address that answered and how far away it is.
 *
 * `connection.reconnectToken` hands it out, `schema` turns it into bytes and back, and `connect({ reconnectToken })`, or
 * `peer`, uses it. The first flight then carries what is marked `replaySafe`, and nothing else.
 *
 * **Details**
 *
 * Within one endpoint sessions are resumed without it; what a token hands out is taken from the endpoint's `TicketStore`,
 * as a ticket serves one connection (RFC 8446 §C.4). It is never wrong to use a token that is old, or that the server
 * behind the name cannot read any more: the handshake is then a full one, and what was sent early is sent again.
 *
 * A token is used once in a process. If it is stored, and loaded twice, both connections resume the same session: that
 * works, but whoever watches the network can tell that they belong together, and the address token counts for the first
 * only (RFC 9000 §8.1.3). So store the latest one, and delete it when it has been loaded.
 *
 * A token holds secrets: who reads it can pose as the client, or as the server to the client; so can who writes one that is
 * not encrypted. Store it with a `key`.
 *
 * **Example** (A client that is started anew)
 *
 * ```ts
 * import { Effect, FileSystem, Option, type Redacted, Schema } from "effect"
 * import { type QuicConnection, ReconnectToken } from "effect-quic"
 *
 * const file = "billing.token"
 *
 * const keep = (connection: QuicConnection, key: Redacted.Redacted<Uint8Array>) =>
 *   Effect.gen(function* () {
 *     const fs = yield* FileSystem.FileSystem
 *     const token = yield* connection.reconnectToken
 *     if (Option.isNone(token)) return
 *     yield* fs.writeFile(file, yield* Schema.encodeEffect(ReconnectToken.schema({ key }))(token.value))
 *   })
 *
 * const load = (key: Redacted.Redacted<Uint8Array>) =>
 *   Effect.gen(function* () {
 *     const fs = yield* FileSystem.FileSystem
 *     const bytes = yield* fs.readFile(file)
 *     yield* fs.remove(file)
 *     return yield* Schema.decodeEffect(ReconnectToken.schema({ key }))(bytes)
 *   }).pipe(Effect.option)
 * ```
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Inspectable from "effect/Inspectable"
import * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import * as SchemaIssue from "effect/SchemaIssue"
import * as SchemaTransformation from "effect/SchemaTransformation"
import { isBytes, isRecord, secretBytes } from "./arguments.ts"
import { CryptoSuite, type CryptoSuiteShape } from "./capability/CryptoSuite.ts"
import { Entropy } from "./capability/Entropy.ts"
import {
  decodeRememberedSession,
  encodeRememberedSession,
  MAX_SESSION_BYTES,
  type RememberedSession
} from "./handshake/RememberedSession.ts"
import { sameBytes } from "./internal/bytes.ts"
import { openBytes, SEALED_OVERHEAD, sealBytes } from "./protect/sealedBytes.ts"

/**
 * Tickets, address token and measurements of one server.
 *
 * @category models
 * @since 0.1.0
 */
export class ReconnectToken {
  /** @internal */
  readonly session: Redacted.Redacted<RememberedSession>

  /** @internal */
  constructor(session: RememberedSession) {
    this.session = Redacted.make(session)
  }

  /** How many sessions can be resumed with it, one by each connection. */
  get ticketCount(): number {
    return Redacted.value(this.session).tickets.length
  }

  /** Shows how many tickets it holds, nothing of them. */
  toString(): string {
    return `ReconnectToken(${this.ticketCount} tickets)`
  }

  /** How many tickets it holds, nothing of them. */
  toJSON(): unknown {
    return { _id: "ReconnectToken", ticketCount: this.ticketCount }
  }

  /** @internal */
  [Inspectable.NodeInspectSymbol](): string {
    return this.toString()
  }
}

/**
 * Whether a value is a `ReconnectToken`, from this or another copy of the package.
 *
 * @category guards
 * @since 0.1.0
 */
export const isReconnectToken = (value: unknown): value is ReconnectToken =>
  isRecord(value) && Redacted.isRedacted(value.session) && typeof value.ticketCount === "number"

/**
 * How a token is stored.
 *
 * @category options
 * @since 0.1.0
 */
export interface StorageOptions {
  /** At least 32 unpredictable bytes, to encrypt it with AES-256-GCM. Default: it is stored readable. */
  readonly key?: Redacted.Redacted<Uint8Array>
}

/** The format, and whether it is encrypted. */
const PREFIX_BYTES = 5
const plainPrefix = Uint8Array.of(0x45, 0x51, 0x52, 0x54, 0x10)
const sealedPrefix = Uint8Array.of(0x45, 0x51, 0x52, 0x54, 0x11)
const DIGEST_BYTES = 32

const encode = (
  session: RememberedSession,
  suite: CryptoSuiteShape,
  random: (length: number) => Uint8Array,
  secret: Uint8Array | undefined
): Uint8Array => {
  const plaintext = encodeRememberedSession(session)
  if (secret !== undefined) return sealBytes(suite, random, secret, sealedPrefix, plaintext)
  const bytes = new Uint8Array(PREFIX_BYTES + DIGEST_BYTES + plaintext.length)
  bytes.set(plainPrefix)
  // finds out damage: a ticket with one wrong bit would cost a handshake
  bytes.set(suite.hash("sha256", plaintext), PREFIX_BYTES)
  bytes.set(plaintext, PREFIX_BYTES + DIGEST_BYTES)
  return bytes
}

/** The session, or why there is none. */
const decode = (
  bytes: Uint8Array,
  suite: CryptoSuiteShape,
  secret: Uint8Array | undefined
): RememberedSession | string => {
  if (bytes.length > PREFIX_BYTES + SEALED_OVERHEAD + MAX_SESSION_BYTES) return "it is too large"
  const prefix = bytes.subarray(0, PREFIX_BYTES)
  const isSealed = sameBytes(prefix, sealedPrefix)
  if (!isSealed && !sameBytes(prefix, plainPrefix)) return "it has another format"
  if (isSealed !== (secret !== undefined))
    return isSealed ? "it is encrypted, and no key was given" : "it is not encrypted, though a key was given"
  const plaintext =
    secret === undefined ? undigested(bytes, suite) : openBytes(suite, secret, bytes, PREFIX_BYTES)
  if (plaintext === undefined)
    return isSealed ? "it is damaged, or was encrypted with another key" : "it is damaged"
  return decodeRememberedSession(plaintext) ?? "it has another format"
}

const undigested = (bytes: Uint8Array, suite: CryptoSuiteShape): Uint8Array | undefined => {
  const start = PREFIX_BYTES + DIGEST_BYTES
  const plaintext = bytes.subarray(start)
  return sameBytes(bytes.subarray(PREFIX_BYTES, start), suite.hash("sha256", plaintext))
    ? plaintext
    : undefined
}

const secretOf = ({ key }: StorageOptions): Effect.Effect<Uint8Array | undefined, SchemaIssue.Issue> =>
  key === undefined
    ? Effect.succeed(undefined)
    : Effect.mapError(secretBytes(key, "key"), (error) => notAToken(error.message))

const notAToken = (message: string): SchemaIssue.Issue =>
  new SchemaIssue.InvalidValue({ message: `not a reconnect token: ${message}` })

/**
 * A token as bytes to store, with a key encrypted and authenticated; at most 512 kB.
 *
 * **Details**
 *
 * Decoding fails with a `SchemaError` that says why if the bytes are damaged, too large, of another format, or encrypted
 * with another key; also if there is a key and they are not encrypted, which an attacker may have put there. Connect without
 * a token then.
 *
 * @category schemas
 * @since 0.1.0
 */
export const schema = (
  options: StorageOptions = {}
): Schema.Codec<ReconnectToken, Uint8Array, CryptoSuite, CryptoSuite | Entropy> =>
  Schema.Uint8Array.pipe(
    Schema.decodeTo(
      Schema.declare(isReconnectToken, { identifier: "ReconnectToken" }),
      SchemaTransformation.transformEffect({
        decode: Effect.fnUntraced(function* (bytes: Uint8Array) {
          const secret = yield* secretOf(options)
          if (!isBytes(bytes)) return yield* Effect.fail(notAToken("it is no Uint8Array"))
          const session = decode(bytes, yield* CryptoSuite, secret)
          if (typeof session === "string") return yield* Effect.fail(notAToken(session))
          return new ReconnectToken(session)
        }),
        encode: Effect.fnUntraced(function* (token: ReconnectToken) {
          const secret = yield* secretOf(options)
          const { randomBytes } = yield* Entropy
          return encode(Redacted.value(token.session), yield* CryptoSuite, randomBytes, secret)
        })
      })
    )
  )
