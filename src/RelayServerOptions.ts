/** The options of a relay. */
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { checkRecord, isBytes } from "./arguments.ts"
import { durationOr, inMillis } from "./durationOption.ts"
import { Host } from "./hostOption.ts"
import * as Identity from "./Identity.ts"
import { PUBLIC_KEY_BYTES } from "./internal/ed25519.ts"
import { hexadecimal } from "./internal/hexadecimal.ts"
import { relayUrl } from "./internal/relayUrl.ts"
import { invalidOption, type QuicError } from "./QuicError.ts"
import { check } from "./QuicOptions.ts"
import { DISCOVERY_PORT } from "./nat/TraversalSettings.ts"
import { defaultRelayLimits, type RelayLimits } from "./relay/RelayLimits.ts"

const int = (minimum: number, maximum: number, byDefault: number) =>
  Schema.Int.check(Schema.isBetween({ minimum, maximum })).pipe(
    Schema.withDecodingDefaultKey(Effect.succeed(byDefault))
  )

const limit = (field: Exclude<keyof RelayLimits, "authTimeoutMillis">, minimum: number, maximum: number) =>
  int(minimum, maximum, defaultRelayLimits[field])

const KiB = 1024
const MiB = 1024 * KiB
const GiB = 1024 * MiB

/**
 * Schema of `RelayServerLimits`: what clients and strangers may cost a relay.
 *
 * @category schemas
 * @since 0.1.0
 */
export const RelayServerLimits = Schema.Struct({
  /** Keys connected at the same time. 1 to 1,000,000, default 10,000. Others are denied. */
  clients: limit("clients", 1, 1_000_000),
  /**
   * Connections of one source, an IPv4 address or an IPv6 /64. 1 to 1,000,000, default 512. Raise it behind a proxy that
   * hides the addresses of clients, and `pendingPerSource` too.
   */
  connectionsPerSource: limit("connectionsPerSource", 1, 1_000_000),
  /** Connections that have not proved a key. 1 to 1,000,000, default 512. Of more, the oldest is closed. */
  pending: limit("pending", 1, 1_000_000),
  /** The same of one source. 1 to 1,000,000, default 32. */
  pendingPerSource: limit("pendingPerSource", 1, 1_000_000),
  /** How long a client may take to prove its key. 100 millis to 1 minute, default 10 seconds. */
  authTimeout: durationOr(100, 60_000, defaultRelayLimits.authTimeoutMillis),
  /** Frames that wait for a client that reads too slowly; more are dropped. 1 to 65,536, default 512. */
  queuedFrames: limit("queuedFrames", 1, 65_536),
  /** Bytes that wait for such a client. 128 KiB to 1 GiB, default 1 MiB. */
  queuedBytes: limit("queuedBytes", 128 * KiB, GiB),
  /**
   * Bytes that wait for all clients. 1 MiB to 64 GiB, default 256 MiB. One may have no more than what is left of it, so
   * that slow ones do not take it all.
   */
  totalQueuedBytes: limit("totalQueuedBytes", MiB, 64 * GiB),
  /**
   * What one client may send, in bytes per second. 1,024 to 16 GiB, default 8 MiB. One that sends more is told so, and
   * read from more slowly.
   */
  bytesPerSecond: limit("bytesPerSecond", KiB, 16 * GiB),
  /** What one client may send at once. 128 KiB to 1 GiB, default 2 MiB. */
  burstBytes: limit("burstBytes", 128 * KiB, GiB),
  /** Of how many clients that one has sent to last it is known, to tell them when it leaves. 1 to 65,536, default 256. */
  rememberedPeers: limit("rememberedPeers", 1, 65_536)
})

/**
 * What clients and strangers may cost a relay.
 *
 * @category options
 * @since 0.1.0
 */
export interface RelayServerLimits extends Partial<typeof RelayServerLimits.Type> {}

const Port = (byDefault: number) => int(0, 65_535, byDefault)

/** The port of a relay without TLS, which is for development. */
export const HTTP_PORT = 3340
const HTTPS_PORT = 443

const Address = (port: number) =>
  Schema.Struct({
    host: Host.pipe(Schema.withDecodingDefaultKey(Effect.succeed("0.0.0.0"))),
    port: Port(port)
  })

/**
 * Where a relay listens, whom it serves, and how much.
 *
 * @category options
 * @since 0.1.0
 */
export interface RelayServerOptions {
  /** IP address to listen on. Default `0.0.0.0`; `::` includes IPv6. */
  readonly host?: string
  /** TCP port, 0 for a free one. Default 443; without `identity` 3340. */
  readonly port?: number
  /**
   * A certificate and its key, for TLS. Default: none, and the relay speaks plain HTTP, for development or behind a proxy
   * that ends TLS. What it passes on is encrypted in either case; who talks to whom then is not.
   */
  readonly identity?: Identity.Identity
  /** The URL by which clients reach it. Default: what it listens on. */
  readonly url?: string
  /** Ed25519 public keys of 32 bytes that may connect. Default: all. */
  readonly allow?: Iterable<Uint8Array>
  /** Address discovery over QUIC. Default: at UDP port 7842 of `host`, if there is an `identity`; `false` for none. */
  readonly discovery?: false | RelayDiscoveryOptions
  /** What clients and strangers may cost. Default: that of each field. */
  readonly limits?: RelayServerLimits
}

/**
 * Where a relay answers address discovery.
 *
 * @category options
 * @since 0.1.0
 */
export interface RelayDiscoveryOptions {
  /** IP address. Default: that of the relay. */
  readonly host?: string
  /** UDP port, 0 for a free one. Default 7842. */
  readonly port?: number
  /** Default: that of the relay. Needed if the relay has none. */
  readonly identity?: Identity.Identity
}

export interface RelayServerSettings {
  readonly host: string
  readonly port: number
  readonly identity: Identity.Identity | undefined
  readonly url: string | undefined
  readonly allows: (publicKey: Uint8Array) => boolean
  readonly discovery:
    | { readonly host: string; readonly port: number; readonly identity: Identity.Identity }
    | undefined
  readonly limits: RelayLimits
}

/** All keys if `allow` is not given. */
const allowing = Effect.fnUntraced(function* (
  allow: RelayServerOptions["allow"]
): Effect.fn.Return<(publicKey: Uint8Array) => boolean, QuicError> {
  if (allow === undefined) return () => true
  if (typeof allow !== "object" || allow === null || !(Symbol.iterator in allow))
    return yield* invalidOption("allow", "Ed25519 keys, Uint8Arrays of 32 bytes")
  const keys = [...allow]
  const wrong = keys.findIndex((key) => !isBytes(key) || key.length !== PUBLIC_KEY_BYTES)
  if (wrong >= 0) return yield* invalidOption(`allow.${wrong}`, "a Uint8Array of 32 bytes, an Ed25519 key")
  const allowed = new Set(keys.map((key) => hexadecimal(key as Uint8Array)))
  return (publicKey) => allowed.has(hexadecimal(publicKey))
})

const certificate = (
  identity: unknown,
  field: string
): Effect.Effect<Identity.Identity | undefined, QuicError> =>
  identity === undefined || Identity.isIdentity(identity)
    ? Effect.succeed(identity)
    : invalidOption(field, "an Identity, as Identity.fromPem makes it")

const checkUrl = (url: unknown): Effect.Effect<void, QuicError> => {
  if (url === undefined) return Effect.void
  const canonical = typeof url === "string" ? relayUrl(url) : { problem: "text" }
  return typeof canonical === "string" ? Effect.void : invalidOption("url", canonical.problem)
}

export const relayServerSettings = Effect.fnUntraced(function* (
  given: RelayServerOptions
): Effect.fn.Return<RelayServerSettings, QuicError> {
  yield* checkRecord(given, "options")
  const { allow, identity: givenIdentity, discovery = {}, limits = {}, url, ...where } = given
  yield* checkUrl(url)
  const identity = yield* certificate(givenIdentity, "identity")
  if (identity?.certificateType === "rawPublicKey")
    return yield* invalidOption("identity", "a certificate, as clients of a relay speak TLS of the Web")
  const address = yield* check(Address(identity === undefined ? HTTP_PORT : HTTPS_PORT), where)
  return {
    ...address,
    identity,
    url,
    allows: yield* allowing(allow),
    limits: inMillis(yield* check(RelayServerLimits, limits, "limits."), ["authTimeout"]),
    discovery: discovery === false ? undefined : yield* discoverySettings(discovery, address.host, identity)
  }
})

const discoverySettings = Effect.fnUntraced(function* (
  given: RelayDiscoveryOptions,
  host: string,
  relayIdentity: Identity.Identity | undefined
) {
  yield* checkRecord(given, "discovery")
  const { identity: own, ...where } = given
  const identity = (yield* certificate(own, "discovery.identity")) ?? relayIdentity
  const address = yield* check(Address(DISCOVERY_PORT), { host, ...where }, "discovery.")
  if (identity !== undefined) return { ...address, identity }
  if (Object.keys(given).length > 0)
    return yield* invalidOption("discovery.identity", "needed, as the relay itself has none")
  return undefined
})
