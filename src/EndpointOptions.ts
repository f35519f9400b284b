/**
 * The options of `QuicEndpoint.make` and `connect`: the schemas that check them, and the types callers write.
 *
 * @since 0.1.0
 */
import type * as Duration from "effect/Duration"
import type * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import { DurationOption, inMillis } from "./durationOption.ts"
import type { EndpointLimits } from "./EndpointLimits.ts"
import { Host } from "./hostOption.ts"
import type { Identity } from "./Identity.ts"
import type { ReconnectToken } from "./ReconnectToken.ts"
import type { RelayOption } from "./RelayOptions.ts"
import type { TransportOptions } from "./QuicOptions.ts"
import type { TraversalOptions } from "./TraversalOptions.ts"
import { parseIp } from "./wire/ipAddress.ts"
import { keyShareGroups, TlsPreferences } from "./TlsOptions.ts"

export const BindSchema = Schema.Struct({
  host: Schema.optionalKey(Host),
  port: Schema.optionalKey(Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 65_535 }))),
  /** Length of the connection IDs this endpoint issues. 4 to 20, default 8. RFC 9000 §5.1 */
  connectionIdBytes: Schema.optionalKey(Schema.Int.check(Schema.isBetween({ minimum: 4, maximum: 20 }))),
  /**
   * Whether connections this endpoint has made move by themselves when the network around it changes. Default true.
   *
   * With a `NetworkInterfaces` service they leave an address that is gone, and a socket without a `host` follows the
   * address the system sends from. A `host` is kept for as long as the machine has it, and then given up for new
   * connections too. Without the service, and where no interface shows what is wrong, a connection whose server does not
   * answer tries another port.
   *
   * The first move is made at once; further ones in quick succession wait longer each, up to a minute. A server that
   * forbids migration is obeyed. RFC 9000 §9
   */
  autoMigrate: Schema.optionalKey(Schema.Boolean)
})

export const RebindSchema = Schema.Struct({ host: BindSchema.fields.host, port: BindSchema.fields.port })

/** An address itself: names belong to `connect`, which tries all that they stand for. */
const IpLiteral = Host.check(
  Schema.makeFilter((host: string) => parseIp(host) !== undefined || "Expected an IP literal")
)

export const CostSchema = Schema.Number.check(Schema.isBetween({ minimum: 0, maximum: Number.MAX_VALUE }))

export const OpenPathSchema = Schema.Struct({
  local: Schema.optionalKey(RebindSchema),
  remote: Schema.optionalKey(
    Schema.Struct({
      host: IpLiteral,
      port: Schema.optionalKey(Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 65_535 })))
    })
  ),
  status: Schema.optionalKey(Schema.Literals(["available", "backup"])),
  cost: Schema.optionalKey(CostSchema)
})

const CandidateSchema = Schema.Struct({
  ...RebindSchema.fields,
  rank: Schema.optionalKey(Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 1_000_000 }))),
  label: Schema.optionalKey(Schema.String.check(Schema.isMaxLength(100)))
})
/** As many as a path probes at once. */
export const CandidatesSchema = Schema.Array(CandidateSchema).check(
  Schema.isMinLength(1),
  Schema.isMaxLength(4)
)

const PlaceSchema = Schema.Struct({
  /** IP literal. */
  host: Host,
  /** 1 to 65,535, default the endpoint's. */
  port: Schema.optionalKey(Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 65_535 })))
})

export const ServerSchema = Schema.Struct({
  ...TlsPreferences,
  /**
   * Address of this host, one per family, that clients are asked to move to once connected, for instance this machine's
   * own behind a shared one. `port` is 1 to 65,535, default the endpoint's. Default none. RFC 9000 §9.6
   */
  preferredAddress: Schema.optionalKey(
    Schema.Struct({
      /** For clients that came by IPv4. */
      ipv4: Schema.optionalKey(PlaceSchema),
      /** For clients that came by IPv6. */
      ipv6: Schema.optionalKey(PlaceSchema)
    })
  ),
  /**
   * Whether clients are asked for a certificate: `"none"`, `"request"` accepts clients without one, `"require"` refuses
   * them. Default `"none"`. RFC 8446 §4.3.2
   */
  clientCertificate: Schema.optionalKey(Schema.Literals(["none", "request", "require"])),
  /**
   * When clients must prove their address with a Retry, one more round trip, before the server spends work on their
   * handshake. Default `"underLoad"`: from `limits.retryHandshakes` unfinished handshakes on, or while a new
   * client would wait long for its turn. A returning client proves its address with a token and is spared the Retry. RFC 9000 §8.1.2
   */
  retry: Schema.optionalKey(Schema.Literals(["never", "always", "underLoad"])),
  /**
   * How long clients may resume a session, in whole seconds; fractions are rounded up. 0 to 7 days, default 1 day; 0 issues
   * no tickets. RFC 8446 §4.6.1
   */
  ticketLifetime: Schema.optionalKey(DurationOption(0, 604_800_000)),
  /**
   * Accepts 0-RTT data. Default false.
   *
   * `accept` and `serve` then hand out such connections before the handshake is complete; `handshakeComplete` waits for it.
   * Each first flight is accepted once (see `ReplayGuard`), which cannot be guaranteed across servers that do not share the
   * guard: use early data only for work that may be repeated. RFC 8446 §8
   */
  earlyData: Schema.optionalKey(Schema.Boolean)
})

export const ConnectSchema = Schema.Struct({
  host: Host,
  port: Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 65_535 })),
  serverName: Schema.optionalKey(Schema.String.check(Schema.isBetweenLength(1, 254))),
  earlyData: Schema.optionalKey(Schema.Boolean),
  attemptDelay: Schema.optionalKey(DurationOption(10, 2_000)),
  connectTimeout: Schema.optionalKey(DurationOption(100, 300_000)),
  ...TlsPreferences,
  keyShareGroups
})

/** The checked options as the core has them. */
export const connectSettings = (checked: typeof ConnectSchema.Type) =>
  inMillis(checked, ["attemptDelay", "connectTimeout"])

/**
 * How an endpoint accepts connections.
 *
 * **Details**
 *
 * `cipherSuites` and `groups` are lists, best first; by default everything supported. Options that
 * are wrong fail `QuicEndpoint.make` with `InvalidOption`, whose `field` starts with `server.`.
 *
 * @category options
 * @since 0.1.0
 */
export interface ServerOptions extends Partial<typeof ServerSchema.Type> {
  /**
   * Application protocols, best first: at least one, each 1 to 255 bytes. A client that offers none of them is refused.
   * RFC 7301
   */
  readonly alpn: ReadonlyArray<string>
  /**
   * What the server authenticates with: one identity, or a function that chooses one by SNI. Default the endpoint's
   * `identity`; clients must then show theirs, unless `clientCertificate` says otherwise.
   *
   * The name is in lower case and A-labels, never an IP address, and undefined when the client sends none. A client for
   * whose name the function returns undefined is refused. RFC 6066 §3
   */
  readonly identity?: Identity | ((serverName: string | undefined) => Identity | undefined)
  /** How accepted connections behave. Default: the defaults of `TransportOptions`. */
  readonly transport?: TransportOptions
}

/**
 * Where an endpoint binds, and whether it accepts connections.
 *
 * @category options
 * @since 0.1.0
 */
export interface EndpointOptions extends Partial<typeof BindSchema.Type> {
  /**
   * IP literal to bind. Default `0.0.0.0` for a server; for a client `::`, which reaches both families, or `0.0.0.0` if the
   * system has no IPv6.
   */
  readonly host?: string
  /** UDP port to bind. 0 to 65,535, default 0, which picks a free one. */
  readonly port?: number
  /**
   * At least 32 unpredictable bytes, stored by the application across restarts. Default random.
   *
   * With the same secret a restarted endpoint can reset connections of its previous run, whose peers otherwise notice only
   * by their idle timeout. Never share it between live endpoints: one could be made to reset connections of the other.
   * RFC 9000 §10.3.2, §21.11
   */
  readonly resetSecret?: Redacted.Redacted<Uint8Array>
  /** What strangers and peers may cost this endpoint. Default: the defaults of `EndpointLimits`. */
  readonly limits?: EndpointLimits
  /** Accepts connections when set. Default: the endpoint is only a client. */
  readonly server?: ServerOptions
  /**
   * Who this endpoint is to peers that dial it by key, and to relays: an Ed25519 raw key. Default none: it has no dial
   * address, and dials without showing who it is.
   *
   * It is also that of `server`, whose clients must then show who they are too, unless `server.identity` is set.
   */
  readonly identity?: Identity
  /**
   * The relays that peers find this endpoint at: at most 8, default none. Needs an `identity` and a `RelayPort`.
   *
   * It stays connected to all of them; the nearest is named first in `dialAddress`. The server's `transport.maxPaths` is 4
   * by default then. They are also asked which address this endpoint has from outside (`bootstraps`); one that does not
   * answer that is a relay all the same.
   */
  readonly relays?: ReadonlyArray<RelayOption>
  /**
   * How direct paths through NATs are found; `false`: none are looked for, and the relays are not asked for addresses.
   * Default: with the defaults of `TraversalOptions` if the endpoint can use relays, those of peers that it dials included,
   * for which it needs an `identity` and a `RelayPort`; otherwise `false`.
   */
  readonly traversal?: TraversalOptions | false
}

/**
 * Where to connect, and how.
 *
 * **Details**
 *
 * `cipherSuites` and `groups` are lists, best first; by default everything supported.
 *
 * @category options
 * @since 0.1.0
 */
export interface ConnectOptions extends Partial<typeof ConnectSchema.Type> {
  /**
   * Host name or IP literal; a link-local address needs its zone, as in `fe80::1%eth0` or `fe80::1%4`.
   *
   * The addresses of a name are raced: the one that answered last, then IPv6 and IPv4 in turn, at most 16; the first to
   * complete the handshake wins and the others are given up. Fails with `ResolveFailed` if the name has no address, at
   * once with `Unreachable` if nothing can be sent to any, and with `ConnectFailed` if several failed. RFC 8305
   */
  readonly host: string
  /**
   * Time an address has to answer before the next is tried as well. 10 millis to 2 seconds, default 250 millis; one that
   * fails is followed at once. RFC 8305 §5
   */
  readonly attemptDelay?: Duration.Input
  /**
   * Longest time all addresses together may take, after which `connect` fails with `ConnectFailed`. 100 millis to 5
   * minutes, default 30 seconds. Each may take `transport.handshakeTimeout`.
   */
  readonly connectTimeout?: Duration.Input
  /** UDP port of the server, 1 to 65,535. */
  readonly port: number
  /** Application protocols to offer, best first: at least one, each 1 to 255 bytes. RFC 7301 */
  readonly alpn: ReadonlyArray<string>
  /**
   * Name the server's certificate must carry, sent as SNI. 1 to 254 characters, default `host`.
   *
   * Unicode, upper case and a final dot are allowed: servers and verifiers see A-labels in lower case. For an IP address no
   * SNI is sent. RFC 6066 §3
   */
  readonly serverName?: string
  /**
   * Returns the connection without waiting for the handshake if a session ticket allows 0-RTT. Default false.
   *
   * Data written before `connection.handshakeComplete` is sent in the first flight to the server that issued the ticket; an
   * attacker can replay it to that server. If the server rejects it, streams are sent again after the handshake and
   * datagrams are lost; `facts.earlyData` says which. Without a usable ticket, `connect` waits for the handshake.
   * RFC 9001 §4.6, §5.6 #1
   */
  readonly earlyData?: boolean
  /**
   * What an earlier connection has learned: see `ReconnectToken`. Default none.
   *
   * Used once, and only for the server it is from: the same `serverName`, `port`, `alpn` and `identity`; otherwise ignored.
   */
  readonly reconnectToken?: ReconnectToken
  /** Certificate or raw key for a server that asks for one. Default none. */
  readonly identity?: Identity
  /** How the connection behaves. Default: the defaults of `TransportOptions`. */
  readonly transport?: TransportOptions
}
