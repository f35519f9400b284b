/**
 * The options of endpoints and connections: one Schema each, with every range and default in one place.
 *
 * A value outside its range fails with `QuicError` / `InvalidOption`, which names the field.
 */
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import * as SchemaIssue from "effect/SchemaIssue"
import type { TransportSettings } from "./connection/ConnectionConfig.ts"
import { InvalidOption, invalidOption, type QuicError, quicError } from "./QuicError.ts"

const int = (minimum: number, maximum: number, byDefault: number) =>
  Schema.Int.check(Schema.isBetween({ minimum, maximum })).pipe(
    Schema.withDecodingDefaultKey(Effect.succeed(byDefault))
  )

const MiB = 1024 * 1024

/** How a connection behaves; every field has a default. Sizes are bytes, times milliseconds. */
export const TransportOptions = Schema.Struct({
  /**
   * The versions spoken, best first. A client tells the server its order, and lets it choose among all of them; a server
   * goes on in the first that the client offers. Left out: v1 for a client, v2 and v1 for a server. RFC 9368, RFC 9369
   */
  versions: Schema.optionalKey(
    Schema.Array(Schema.Literals(["v1", "v2"])).check(Schema.isMinLength(1), Schema.isUnique())
  ),
  /**
   * client: the one of `versions` to begin with, the first when left out. `versions: ["v2", "v1"], originalVersion: "v1"`
   * begins with what every server understands, and is moved to v2, without another round trip, by one that speaks it. A
   * session that is resumed begins with its own version. RFC 9368 §2
   */
  originalVersion: Schema.optionalKey(Schema.Literals(["v1", "v2"])),
  /** Silence after which the connection is given up; 0 is never. RFC 9000 §10.1 */
  maxIdleTimeoutMillis: int(0, 86_400_000, 60_000),
  /** How long a handshake may take. */
  handshakeTimeoutMillis: int(100, 300_000, 5_000),
  /** A PING after this much silence keeps the connection and its NAT binding alive; 0 is none. */
  keepAliveIntervalMillis: int(0, 3_600_000, 0),
  /** How long `close` may spend delivering what was accepted. */
  closeTimeoutMillis: int(0, 300_000, 3_000),
  /** The connection's receive window, at first and at most (it grows when the reader keeps up). RFC 9000 §4 */
  connectionWindowBytes: int(16_384, 1024 * MiB, 2 * MiB),
  maxConnectionWindowBytes: int(16_384, 1024 * MiB, 24 * MiB),
  /** Each stream's receive window, at first and at most. */
  streamWindowBytes: int(1_200, 1024 * MiB, MiB),
  maxStreamWindowBytes: int(1_200, 1024 * MiB, 16 * MiB),
  /** Streams of each kind the peer may have open at once. RFC 9000 §4.6 */
  maxBidirectionalStreams: int(0, 1_000_000, 100),
  maxUnidirectionalStreams: int(0, 1_000_000, 100),
  /**
   * What a stream takes from the application ahead of the network before `write` waits. Of datagrams, as much waits to be
   * sent, and to be received, each counted with 256 bytes more than it has; the oldest make room for new ones.
   */
  sendBufferBytes: int(1_200, 1024 * MiB, MiB),
  /** RFC 9438, RFC 9002 §7; `bbr`, version 3, keeps its rate where packets are lost without congestion */
  congestion: Schema.Literals(["cubic", "newReno", "bbr"]).pipe(
    Schema.withDecodingDefaultKey(Effect.succeed("cubic" as const))
  ),
  /** The round-trip time assumed before one is measured. RFC 9002 §6.2.2 */
  initialRttMillis: int(1, 10_000, 333),
  /** The datagram size used until a larger one is proven to arrive. RFC 9000 §14.1, §14.2 #S2 */
  initialDatagramBytes: int(1_200, 65_507, 1_200),
  /** The largest datagram size path MTU discovery may settle on. RFC 9000 §14.3 */
  maxDatagramBytes: int(1_200, 65_507, 1_452),
  /** The largest datagram this side takes. */
  maxReceiveDatagramBytes: int(1_200, 65_527, 65_527),
  /** RFC 9000 §13.2.5, §13.2.1 */
  ackDelayExponent: int(0, 20, 3),
  maxAckDelayMillis: int(0, 1_000, 25),
  /** Tells the peer to stay at its address, and ignores what comes from another. RFC 9000 §9.1 */
  disableActiveMigration: Schema.Boolean.pipe(Schema.withDecodingDefaultKey(Effect.succeed(false))),
  /** Changes the connection IDs after this many packets, and after this long; 0 is never. RFC 9000 §9.5 */
  rotateIdsAfterPackets: int(0, 1_000_000_000, 0),
  rotateIdsAfterMillis: int(0, 86_400_000, 0),
  /** Connection IDs of the peer kept in store. RFC 9000 §5.1.1, §18.2 #6 */
  activeConnectionIdLimit: int(2, 32, 8),
  /** The largest DATAGRAM frame this side takes; 0 is none. RFC 9221 §3 */
  maxDatagramFrameBytes: int(0, 65_535, 0)
})

/** What a caller writes: any subset. */
export type TransportOptions = Partial<typeof TransportOptions.Type>

/** What the transport gets: everything. */
export type CheckedTransportOptions = TransportSettings

const describe = SchemaIssue.makeFormatterStandardSchemaV1()

/** Decodes options, or says which field is wrong and what it may be. */
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

/** A client's. */
export const checkTransport = (
  options: TransportOptions | undefined
): Effect.Effect<CheckedTransportOptions, QuicError> =>
  Effect.filterOrFail(
    check(TransportOptions, options ?? {}, "transport."),
    ({ originalVersion, versions = ["v1"] }) =>
      originalVersion === undefined || versions.includes(originalVersion),
    ({ originalVersion }) =>
      quicError(
        new InvalidOption({
          field: "transport.originalVersion",
          problem: `${originalVersion} is not among the versions that are offered`
        })
      )
  )

/** A server's: it takes what a client begins with. */
export const checkServerTransport = (
  options: TransportOptions | undefined
): Effect.Effect<CheckedTransportOptions, QuicError> =>
  Effect.filterOrFail(
    check(TransportOptions, options ?? {}, "server.transport."),
    ({ originalVersion }) => originalVersion === undefined,
    () =>
      quicError(
        new InvalidOption({
          field: "server.transport.originalVersion",
          problem: "it is for clients to begin"
        })
      )
  )
