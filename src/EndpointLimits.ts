/**
 * The limits of an endpoint: what strangers and peers may cost it.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { defaultLimits, type Limits } from "./admission/Limits.ts"
import { durationOr, inMillis } from "./durationOption.ts"

const int = (minimum: number, maximum: number, byDefault: number) =>
  Schema.Int.check(Schema.isBetween({ minimum, maximum })).pipe(
    Schema.withDecodingDefaultKey(Effect.succeed(byDefault))
  )

const MiB = 1024 * 1024

const limit = (field: Exclude<keyof Limits, "strikes">, minimum: number, maximum: number) =>
  int(minimum, maximum, defaultLimits[field])

/**
 * Schema of `EndpointLimits`: what strangers and peers may cost an endpoint.
 *
 * **Details**
 *
 * Every field is optional, and its default is safe on the open Internet. Numbers are integers. A value outside its range,
 * and a field that does not exist, fails `QuicEndpoint.make` with `InvalidOption`, whose `field` starts with `limits.`.
 *
 * What other options bound is not here: reassembly and unread stream data by the windows of `TransportOptions`, streams by
 * `maxBidirectionalStreams` and `maxUnidirectionalStreams`, kept connection IDs of the peer by `activeConnectionIdLimit`,
 * address tokens and tickets kept for later by the `TicketStore`. Fixed are, per connection: 8 connection IDs issued, 4
 * routes being probed, 8 PATH_CHALLENGE to be answered, 16 datagrams and 32 kB received before their keys, 256 ranges in
 * an ACK, 16 tickets; and per client that waits for its turn: 16 datagrams and 24 kB.
 *
 * **Example** (A server behind a proxy, from whose address all clients come)
 *
 * ```ts
 * import { type EndpointLimits, type Identity, QuicEndpoint } from "effect-quic"
 *
 * const limits: EndpointLimits = { handshakes: 200, handshakesPerSource: 200 }
 *
 * const server = (identity: Identity.Identity) =>
 *   QuicEndpoint.make({ port: 4433, limits, server: { alpn: ["echo"], identity } })
 * ```
 *
 * @category schemas
 * @since 0.1.0
 */
export const EndpointLimits = Schema.Struct({
  /**
   * Handshakes in flight: clients with a connection that is not established. 1 to 1,000,000, default 100.
   *
   * Protects memory, of which each takes about 40 kB, and the time of those in flight. Others wait for their turn.
   */
  handshakes: limit("handshakes", 1, 1_000_000),
  /**
   * Handshakes in flight of one source, which is an IPv4 address or an IPv6 /64. 1 to 1,000,000, default 5.
   *
   * Keeps one host from taking the places of others. Its further clients wait; sources take turns. Each handshake that
   * completes earns a source one more, as long as less than four fifths of `handshakes` are in flight, and each that fails
   * halves what it may: a crowd behind one address is served, a host that begins and does not finish never has more than
   * this. Raise it behind a proxy that hides the addresses of clients.
   */
  handshakesPerSource: limit("handshakesPerSource", 1, 1_000_000),
  /**
   * Clients that wait for their turn to begin a handshake. 1 to 1,000,000, default 1,024.
   *
   * Protects memory, of which each takes up to 24 kB. When all places are taken, the source with the most clients gives one
   * to a source with fewer. A client without a place, and one that would wait for more than half
   * of `server.transport.handshakeTimeout`, is refused with CONNECTION_REFUSED. RFC 9000 §21.2
   */
  waitingClients: limit("waitingClients", 1, 1_000_000),
  /**
   * Handshakes in flight, clients waiting and handshakes that failed within a second, from which `server.retry:
   * "underLoad"` asks clients to prove their address. 1 to 1,000,000, default 50.
   *
   * Keeps the places of `handshakes` for clients whose address is real. RFC 9000 §8.1.2
   */
  retryHandshakes: limit("retryHandshakes", 1, 1_000_000),
  /**
   * Bytes of TLS messages a peer may send at each encryption level before the handshake is complete. 4,096 to 16 MiB,
   * default 128 KiB.
   *
   * Protects memory, from certificate chains and messages without end: more closes the connection with
   * CRYPTO_BUFFER_EXCEEDED. Clients that have not proved their address have at most 16 KiB. RFC 9000 §7.5
   */
  handshakeBytes: limit("handshakeBytes", 4_096, 16 * MiB),
  /**
   * UDP datagrams with handshake packets accepted from a client before its handshake is complete. 10 to 1,000,000, default
   * 500.
   *
   * Protects the processor from a client that repeats its messages instead of going on. What exceeds the limit is dropped
   * before it is decrypted.
   */
  handshakeDatagrams: limit("handshakeDatagrams", 10, 1_000_000),
  /**
   * UDP datagrams to no known connection ID that anything is spent on. 1 to 10,000,000, default 10,000.
   *
   * Protects the processor: what exceeds the limit is dropped before anything is decrypted, hashed or kept for it. Half of
   * `strangerPacketsAtOnce` is kept for sources that sent little of late, and half of that for clients that return with a
   * token, so that a flood from few addresses does not keep new clients out. Established connections are never charged.
   */
  strangerPacketsPerSecond: limit("strangerPacketsPerSecond", 1, 10_000_000),
  /** How many of these may arrive at once. 1 to 1,000,000, default 500. */
  strangerPacketsAtOnce: limit("strangerPacketsAtOnce", 1, 1_000_000),
  /**
   * Retry packets sent. 0 to 1,000,000, default 5,000; an eighth of it at once, and a quarter of it, half of
   * that at once, for all sources that have sent much of late.
   *
   * Protects the processor: each is sealed twice. RFC 9000 §8.1.2
   */
  retriesPerSecond: limit("retriesPerSecond", 0, 1_000_000),
  /**
   * Refusals (CONNECTION_CLOSE without a connection) sent. 0 to 1,000,000, default 500; an eighth of it at once.
   *
   * Protects the processor, which checks and seals a packet for each. Clients beyond the limit get no answer. RFC 9000 §5.2.2
   */
  refusalsPerSecond: limit("refusalsPerSecond", 0, 1_000_000),
  /**
   * Version Negotiation packets sent. 0 to 1,000,000, default 500; an eighth of it at once.
   *
   * Keeps the endpoint useless for reflection. RFC 9000 §6.1
   */
  versionNegotiationsPerSecond: limit("versionNegotiationsPerSecond", 0, 1_000_000),
  /**
   * Stateless resets sent. 0 to 1,000,000, default 500; an eighth of it at once.
   *
   * Keeps the endpoint useless for reflection, and from looping with another one. RFC 9000 §10.3, §10.3.3
   */
  statelessResetsPerSecond: limit("statelessResetsPerSecond", 0, 1_000_000),
  /**
   * Established connections that wait for `accept`. 1 to 65,536, default 128.
   *
   * Protects memory, when connections arrive faster than the application takes them: clients are refused meanwhile.
   */
  acceptBacklog: limit("acceptBacklog", 1, 65_536),
  /**
   * Bytes of received datagrams that wait to be read, per connection, each counted with 256 bytes of overhead. 1,200 to
   * 1 GiB, default 1 MiB.
   *
   * Protects memory, when datagrams arrive faster than the application reads them: the oldest are dropped. RFC 9221 §5
   */
  unreadDatagramBytes: limit("unreadDatagramBytes", 1_200, 1024 * MiB),
  /**
   * When a peer that keeps doing what does no good is closed: `count` strikes (0 to 1,000, by default 10) within
   * `window` (100 millis to 1 hour, by default 5 seconds). With `count` 0 strikes are counted, but close nothing.
   *
   * Protects the processor from established peers, within the letter of the protocol: floods of PING, PATH_CHALLENGE,
   * connection IDs, limits that do not rise, data that has arrived, streams that are opened and given up. Each has an
   * allowance that no honest peer uses up, whatever the network does; each frame beyond is a strike. The connection ends
   * with PROTOCOL_VIOLATION and a reason that names the last one: `TransportClosed` on both sides. Only packets count that
   * nobody but the peer can have sent. `connection.stats.strikes` has their number.
   */
  strikes: Schema.Struct({
    /** Strikes that close; 0 for none. */
    count: int(0, 1_000, defaultLimits.strikes.count),
    /** Time within which they count together. */
    window: durationOr(100, 3_600_000, defaultLimits.strikes.windowMillis)
  }).pipe(Schema.withDecodingDefaultKey(Effect.succeed({}))),
  /**
   * UDP datagrams accepted from each established peer. 0 to 10,000,000, default 0, which sets no limit.
   *
   * Protects the processor: what exceeds the limit is dropped before it is decrypted, which the peer takes for loss, and
   * slows down; `connection.stats.datagramsOverLimit` has their number. As nothing is decrypted, packets forged by somebody
   * who sees the connection use the allowance too.
   */
  peerPacketsPerSecond: limit("peerPacketsPerSecond", 0, 10_000_000),
  /** How many of these may arrive at once. 1 to 1,000,000, default 500. */
  peerPacketsAtOnce: limit("peerPacketsAtOnce", 1, 1_000_000)
})

/**
 * What strangers and peers may cost an endpoint: any subset of the fields of the `EndpointLimits` schema, the rest at
 * their defaults.
 *
 * @category options
 * @since 0.1.0
 */
export type EndpointLimits = Partial<Omit<typeof EndpointLimits.Type, "strikes">> & {
  /** When a peer that keeps doing what does no good is closed. */
  readonly strikes?: Partial<(typeof EndpointLimits.Type)["strikes"]>
}

/** The limits as the core has them. */
export const limitSettings = ({ strikes, ...limits }: typeof EndpointLimits.Type): Limits => ({
  ...limits,
  strikes: inMillis(strikes, ["window"])
})
