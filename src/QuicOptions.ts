/**
 * The options of connections: one schema with every range and default.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import * as SchemaIssue from "effect/SchemaIssue"
import type { TransportSettings } from "./connection/ConnectionConfig.ts"
import { durationOr, inMillis } from "./durationOption.ts"
import { InvalidOption, invalidOption, type QuicError, quicError } from "./QuicError.ts"

const int = (minimum: number, maximum: number, byDefault: number) =>
  Schema.Int.check(Schema.isBetween({ minimum, maximum })).pipe(
    Schema.withDecodingDefaultKey(Effect.succeed(byDefault))
  )

const MiB = 1024 * 1024
const MINUTE = 60_000
const DAY = 86_400_000

/**
 * Schema of `TransportOptions`: how a connection behaves.
 *
 * **Details**
 *
 * Every field is optional and has a default. Sizes are in bytes, numbers are integers. Durations are Effect's
 * `Duration.Input`: `"15 seconds"`, a `Duration`, or a number of milliseconds, of which fractions are rounded up. A value
 * outside its range, and a field that does not exist, fails with `InvalidOption`, whose `field` is the path of the option.
 *
 * **Example** (Options of a client)
 *
 * ```ts
 * import { Effect } from "effect"
 * import { type QuicEndpointShape, type TransportOptions } from "effect-quic"
 *
 * const transport: TransportOptions = { keepAliveInterval: "15 seconds", congestion: "bbr" }
 *
 * const connect = (endpoint: QuicEndpointShape) =>
 *   Effect.scoped(endpoint.connect({ host: "example.org", port: 4433, alpn: ["echo"], transport }))
 * ```
 *
 * @category schemas
 * @since 0.1.0
 */
export const TransportOptions = Schema.Struct({
  /**
   * QUIC versions supported, best first. Default `["v1"]` for a client, `["v2", "v1"]` for a server.
   *
   * A client sends its list and lets the server choose; a server picks its first version that the client offers.
   * RFC 9368, RFC 9369
   */
  versions: Schema.optionalKey(
    Schema.Array(Schema.Literals(["v1", "v2"])).check(Schema.isMinLength(1), Schema.isUnique())
  ),
  /**
   * Client only: which of `versions` the first packet uses. Default the first of `versions`.
   *
   * `versions: ["v2", "v1"], originalVersion: "v1"` starts with the version every server understands; a server that
   * supports v2 switches to it without another round trip. A resumed session starts with its own version. RFC 9368 §2
   */
  originalVersion: Schema.optionalKey(Schema.Literals(["v1", "v2"])),
  /**
   * Silence after which the connection ends with `IdleTimeout`. 0 to 1 day, default 1 minute; 0 disables the timeout.
   *
   * The smaller value of both sides applies. A client that waits for data is not silent: see `keepAliveInterval`.
   * RFC 9000 §10.1
   */
  maxIdleTimeout: durationOr(0, DAY, "1 minute"),
  /** How long a handshake may take before it fails with `HandshakeTimeout`. 100 millis to 5 minutes, default 5 seconds. */
  handshakeTimeout: durationOr(100, 5 * MINUTE, "5 seconds"),
  /**
   * Sends a PING after this much silence, which keeps the connection and its NAT binding alive. 0 to 1 hour, default 0, which
   * sends none while nobody waits.
   *
   * While a fiber of a client waits in `read`, `receiveDatagram` or an `accept…`, a PING is sent in any case: after half a
   * second without a packet, then ever less often, at least every 15 seconds. A NAT that has forgotten the client thus
   * learns about it again, and so does the server. RFC 9000 §10.1.2, §9.3
   */
  keepAliveInterval: durationOr(0, 60 * MINUTE, 0),
  /** How long `close` may take to deliver data already accepted. 0 to 5 minutes, default 3 seconds. */
  closeTimeout: durationOr(0, 5 * MINUTE, "3 seconds"),
  /** Initial receive window of the connection. 16,384 to 1 GiB, default 2 MiB. RFC 9000 §4.1 */
  connectionWindowBytes: int(16_384, 1024 * MiB, 2 * MiB),
  /**
   * Largest receive window of the connection; it grows while the application reads as fast as data arrives. 16,384 to
   * 1 GiB, default 24 MiB.
   */
  maxConnectionWindowBytes: int(16_384, 1024 * MiB, 24 * MiB),
  /** Initial receive window of each stream. 1,200 to 1 GiB, default 1 MiB. RFC 9000 §4.1 */
  streamWindowBytes: int(1_200, 1024 * MiB, MiB),
  /** Largest receive window of each stream. 1,200 to 1 GiB, default 16 MiB. */
  maxStreamWindowBytes: int(1_200, 1024 * MiB, 16 * MiB),
  /**
   * Bidirectional streams the peer may have open at once. 0 to 1,000,000, default 100. RFC 9000 §4.6
   *
   * One that is received and sent completely, and only waits for acknowledgments, does not count; up to as many of these
   * are kept besides.
   */
  maxBidirectionalStreams: int(0, 1_000_000, 100),
  /** Unidirectional streams the peer may have open at once. 0 to 1,000,000, default 100. RFC 9000 §4.6 */
  maxUnidirectionalStreams: int(0, 1_000_000, 100),
  /**
   * Bytes a stream buffers for sending before `write` waits. 1,200 to 1 GiB. Default 1 MiB, and more where the paths carry
   * more at once: up to 24 MiB for all streams of a connection together. A number that is given stays as it is.
   *
   * Also bounds the datagrams that wait to be sent, 1 MiB by default, each counted with 256 bytes of overhead; when the queue
   * is full the oldest are dropped.
   */
  sendBufferBytes: Schema.optionalKey(
    Schema.Int.check(Schema.isBetween({ minimum: 1_200, maximum: 1024 * MiB }))
  ),
  /**
   * Congestion controller. Default `"cubic"`.
   *
   * `"cubic"` is RFC 9438, `"newReno"` RFC 9002 §7; `"bbr"` (BBRv3) keeps its rate when packets are lost without
   * congestion. `"lia"` is NewReno with the windows of all paths coupled: where several lead through the same bottleneck, they
   * take no more of it than one connection without multipath. RFC 6356
   */
  congestion: Schema.Literals(["cubic", "newReno", "bbr", "lia"]).pipe(
    Schema.withDecodingDefaultKey(Effect.succeed("cubic" as const))
  ),
  /** Round-trip time assumed until one is measured. 1 milli to 10 seconds, default 333 millis. RFC 9002 §6.2.2 */
  initialRtt: durationOr(1, 10_000, "333 millis"),
  /**
   * Size of UDP payloads until path MTU discovery finds a larger one. 1,200 to 65,507, default 1,200.
   *
   * RFC 9000 §14.1, §14.2 #S2
   */
  initialDatagramBytes: int(1_200, 65_507, 1_200),
  /** Largest UDP payload path MTU discovery may settle on. 1,200 to 65,507, default 1,452. RFC 9000 §14.3 */
  maxDatagramBytes: int(1_200, 65_507, 1_452),
  /** Largest UDP payload this side accepts. 1,200 to 65,527, default 65,527. RFC 9000 §18.2 */
  maxReceiveDatagramBytes: int(1_200, 65_527, 65_527),
  /** Exponent that scales the delay in ACK frames. 0 to 20, default 3. RFC 9000 §13.2.5 */
  ackDelayExponent: int(0, 20, 3),
  /** Longest time an acknowledgement is delayed. 0 to 1 second, default 25 millis. RFC 9000 §13.2.1 */
  maxAckDelay: durationOr(0, 1_000, "25 millis"),
  /**
   * Forbids the peer to migrate, and ignores packets it sends from another address. Default false. RFC 9000 §9.1
   */
  disableActiveMigration: Schema.Boolean.pipe(Schema.withDecodingDefaultKey(Effect.succeed(false))),
  /**
   * Changes the connection IDs after this many packets, though at most ten times a second. 0 to 1,000,000,000, default 0,
   * which is never. RFC 9000 §9.5
   */
  rotateIdsAfterPackets: int(0, 1_000_000_000, 0),
  /** Changes the connection IDs after this long. 0 to 1 day, default 0, which is never. RFC 9000 §9.5 */
  rotateIdsAfter: durationOr(0, DAY, 0),
  /** Connection IDs of the peer kept in reserve. 2 to 32, default 8. RFC 9000 §5.1.1, §18.2 #6 */
  activeConnectionIdLimit: int(2, 32, 8),
  /**
   * Paths the connection may have at once. 1 to 8, default 1, which is QUIC without multipath.
   *
   * The smaller value of both sides applies; a connection that never opens a second path behaves like one without.
   * draft-ietf-quic-multipath §2.1
   */
  maxPaths: int(1, 8, 1),
  /**
   * Addresses at which the peer may ask this side to look for it, to find paths through NATs, at a time. 0 to 63, default 0,
   * which is none. Takes `maxPaths` above 1, and both sides.
   * draft-bruynooghe-n0-quic-nat-traversal
   */
  maxRemoteCandidates: int(0, 63, 0),
  /**
   * Whether this side tells the peer where its packets come from (`"provide"`), wants to be told that itself
   * (`"receive"`), or both. Default `"none"`.
   *
   * What a peer says is shown as `observedAddress` of a path; whether it is true is not known.
   * draft-ietf-quic-address-discovery
   */
  addressDiscovery: Schema.Literals(["none", "provide", "receive", "both"]).pipe(
    Schema.withDecodingDefaultKey(Effect.succeed("none" as const))
  ),
  /**
   * Largest DATAGRAM frame this side accepts. 0 to 65,535, default 0, which refuses datagrams. RFC 9221 §3
   */
  maxDatagramFrameBytes: int(0, 65_535, 0)
})

/**
 * How a connection behaves: any subset of the fields of the `TransportOptions` schema, the rest at their defaults.
 *
 * @category options
 * @since 0.1.0
 */
export type TransportOptions = Partial<typeof TransportOptions.Type>

/** The options with every default filled in, as the core has them. */
export type CheckedTransportOptions = TransportSettings

export const transportSettings = (decoded: typeof TransportOptions.Type): TransportSettings =>
  inMillis(decoded, [
    "maxIdleTimeout",
    "handshakeTimeout",
    "keepAliveInterval",
    "closeTimeout",
    "initialRtt",
    "maxAckDelay",
    "rotateIdsAfter"
  ])

const describe = SchemaIssue.makeFormatterStandardSchemaV1()

/** Decodes options, or fails with `InvalidOption` for the first field that is wrong. */
export const check = <S extends Schema.ConstraintDecoder<unknown>>(
  schema: S,
  options: unknown,
  prefix = ""
): Effect.Effect<S["Type"], QuicError> => {
  const result = Schema.decodeUnknownResult(schema, { onExcessProperty: "error" })(options)
  if (Result.isSuccess(result)) return Effect.succeed(result.success)
  const [issue] = describe(result.failure.issue).issues
  const path = (issue.path ?? []).map(String).join(".")
  return invalidOption((prefix + path).replace(/\.$/, "") || "options", issue.message)
}

const notOffered = (version: string | undefined) =>
  quicError(
    new InvalidOption({
      field: "transport.originalVersion",
      problem: `${version} is not one of the offered versions`
    })
  )

/** Checks the options of a client. */
export const checkTransport = (
  options: TransportOptions | undefined
): Effect.Effect<CheckedTransportOptions, QuicError> =>
  check(TransportOptions, options ?? {}, "transport.").pipe(
    Effect.filterOrFail(
      ({ originalVersion, versions = ["v1"] }) =>
        originalVersion === undefined || versions.includes(originalVersion),
      ({ originalVersion }) => notOffered(originalVersion)
    ),
    Effect.map(transportSettings)
  )

const chosenByServer = quicError(
  new InvalidOption({
    field: "server.transport.originalVersion",
    problem: "only a client has an original version"
  })
)

/** Checks the options of a server, which cannot choose the original version. */
export const checkServerTransport = (
  options: TransportOptions | undefined
): Effect.Effect<CheckedTransportOptions, QuicError> =>
  check(TransportOptions, options ?? {}, "server.transport.").pipe(
    Effect.filterOrFail(
      ({ originalVersion }) => originalVersion === undefined,
      () => chosenByServer
    ),
    Effect.map(transportSettings)
  )
