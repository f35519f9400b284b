/**
 * UDP as the transport needs it: bursts in, trains out, one synchronous call per datagram.
 *
 * `effect-quic/layers/node` implements it with `node:dgram`, `effect-quic/layers/udp` with any Effect `DatagramSocket`,
 * `effect-quic/layers/sim` with a simulated network.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import type * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import type { ShardBinding } from "./Shard.ts"
import type { SocketAddress, ZoneName } from "../wire/SocketAddress.ts"

/**
 * The two ECN bits of the IP header: 0 Not-ECT, 1 ECT(1), 2 ECT(0), 3 CE. RFC 3168 §5
 *
 * @category models
 * @since 0.1.0
 */
export type EcnCodepoint = 0 | 1 | 2 | 3

/**
 * One datagram, lent for the call it is passed to: the record and `bytes` are used again after it, the addresses are not.
 *
 * @category models
 * @since 0.1.0
 */
export interface ReceivedDatagram {
  /**
   * The payload, a plain `Uint8Array` of its length. May be decrypted in place; copy what you keep, as the next datagram
   * may take the same memory.
   */
  readonly bytes: Uint8Array
  /** The sender. The same object for the same remote while the socket remembers it (at least the last 1024). */
  readonly from: SocketAddress
  /** Local address it was sent to; undefined if the socket is bound to a wildcard and the system does not say. */
  readonly to: SocketAddress | undefined
  /** ECN bits it arrived with. */
  readonly ecn: EcnCodepoint
}

/**
 * What a socket supports beyond plain datagrams.
 *
 * @category models
 * @since 0.1.0
 */
export interface UdpCapabilities {
  /** ECN bits are read and written; otherwise `ecn` is 0 on arrival and ignored by `send`. */
  readonly ecn: boolean
  /** Datagrams are never fragmented, so that one that arrives proves its size. RFC 9000 §14 */
  readonly dontFragment: boolean
  /** Largest payload `send` accepts, in bytes. */
  readonly maxDatagramSize: number
}

/**
 * Counts since `bind`. Every datagram not delivered is in one of the drop counters.
 *
 * @category models
 * @since 0.1.0
 */
export interface UdpCounters {
  /** Datagrams handed to the system. */
  readonly sent: number
  /** Datagrams received, dropped ones not included. */
  readonly received: number
  /** Received but dropped because the receive queue was full. */
  readonly receiveDropped: number
  /** Not sent: the send queue was full, or the socket was closed. */
  readonly sendDropped: number
  /** Not sent: larger than the socket or the interface allows. */
  readonly sendTooLarge: number
  /** Not sent: refused by the system for any other reason. */
  readonly sendErrors: number
  /** Errors the network reported later, such as ICMP port unreachable. Never fatal. */
  readonly socketErrors: number
  /** The last of these errors, for people. */
  readonly lastError: string | undefined
}

/**
 * A bound socket.
 *
 * @category models
 * @since 0.1.0
 */
export interface UdpSocket {
  /** The address it is bound to. */
  readonly localAddress: SocketAddress
  /** What it supports. */
  readonly capabilities: UdpCapabilities
  /** What it has sent, received and dropped. */
  readonly counters: UdpCounters
  /**
   * Sets the only wake-up callback, which must be cheap and must not throw.
   *
   * It is called synchronously: once when a datagram arrives after `drain` left the queue empty, once when `congested`
   * turns false, and at once if datagrams are already queued. With `atOnce`, the event loop has called the socket: no code of
   * the program is on the stack, so the owner may drain it before `wake` returns.
   */
  onReadable(wake: (atOnce?: boolean) => void): void
  /** Passes at most `max` queued datagrams to `handle`, oldest first; returns how many. */
  drain(max: number, handle: (datagram: ReceivedDatagram) => void): number
  /**
   * Sends `buffer[start, end)` of the caller's memory, now or at `flush`. The bytes are taken before it returns; the caller
   * may overwrite them.
   *
   * Never throws: a datagram that cannot be sent is counted and dropped, as the network would. `from` is the address to
   * send from, one that a datagram was sent to (its `to`); without it, and where a socket cannot choose, the system
   * does.
   */
  send(
    buffer: Uint8Array,
    start: number,
    end: number,
    to: SocketAddress,
    ecn: EcnCodepoint,
    from?: SocketAddress
  ): void
  /**
   * Makes room for a datagram of up to `maxBytes`, at most 65,527: it is written into `buffer`, from the offset returned,
   * and `commit` sends it. So it is written where it leaves from, behind the one before, and nothing is copied.
   *
   * Never fails, not even on a closed or congested socket. Any further call to this socket but `commit` gives the room
   * back.
   */
  reserve(maxBytes: number): number
  /** What `reserve` has made room in, which may be another array each time. */
  readonly buffer: Uint8Array
  /** Sends `buffer[start, end)`, `start` being the offset that `reserve` returned, now or at `flush`; otherwise as `send`. */
  commit(end: number, to: SocketAddress, ecn: EcnCodepoint, from?: SocketAddress): void
  /**
   * Sets the only listener for destinations the system refuses to send to, whenever it reports them.
   *
   * `isLasting` distinguishes a refusal that will repeat (no route, not permitted) from a busy system.
   */
  onRefused(listener: (to: SocketAddress, problem: string, isLasting: boolean) => void): void
  /** Hands everything sent so far to the system. Called once at the end of a burst. */
  flush(): void
  /** The system cannot keep up: stop sending until the wake-up callback. */
  readonly congested: boolean
}

/**
 * Where and how to bind.
 *
 * @category options
 * @since 0.1.0
 */
export interface UdpBindOptions {
  /** IP literal; `::` accepts both families unless `ipv6Only`. Default `0.0.0.0`. */
  readonly host?: string | undefined
  /** 0 to 65,535. Default 0, which picks a free port. */
  readonly port?: number | undefined
  /** Requested size of the system's receive buffer, which may grant less. Default 4 MiB. */
  readonly receiveBufferBytes?: number | undefined
  /** Requested size of the system's send buffer, which may grant less. Default 4 MiB. */
  readonly sendBufferBytes?: number | undefined
  /** Binds IPv6 alone. Default false. */
  readonly ipv6Only?: boolean | undefined
  /**
   * Bound to a wildcard, reports the local address of each datagram and sends from the requested one. Default false.
   *
   * Where the system has no better way, this takes one socket for each address.
   */
  readonly multihomed?: boolean | undefined
  /**
   * Lets several processes share the port where the system supports it, which spreads remotes over them. Default false.
   */
  readonly reusePort?: boolean | undefined
  /**
   * With `reusePort`: which of several sockets this is. A port that can routes datagrams by the first byte of their
   * destination ID then; elsewhere remotes are spread over the sockets. Default: none in particular.
   */
  readonly shard?: ShardBinding | undefined
  /** Datagrams queued for `drain` before more are dropped. Default 4096. */
  readonly receiveQueueLength?: number | undefined
}

/**
 * A socket could not be bound; `QuicEndpoint` turns it into `BindFailed`.
 *
 * @category errors
 * @since 0.1.0
 */
export class UdpBindError extends Schema.TaggedError<UdpBindError>("effect-quic/capability/UdpBindError")(
  "UdpBindError",
  {
    /** What kind of problem. */
    reason: Schema.Literals([
      "AddressInUse",
      "AddressNotAvailable",
      "PermissionDenied",
      "InvalidAddress",
      "Unknown"
    ]),
    /** Where it was to be bound. */
    host: Schema.String,
    /** Where it was to be bound, 0 for any. */
    port: Schema.Number,
    /** What the system says, for people. */
    message: Schema.String
  }
) {}

/**
 * Binds sockets.
 *
 * @category models
 * @since 0.1.0
 */
export interface UdpPortShape {
  /**
   * Binds a socket, closed with its scope. Fails with `UdpBindError`.
   *
   * **Interruption**: leaves no socket bound.
   */
  bind(options?: UdpBindOptions): Effect.Effect<UdpSocket, UdpBindError, Scope.Scope>
  /** How these sockets write the zone of a link-local address. Default: unchanged. */
  readonly zoneName?: ZoneName
}

/**
 * The service that sends and receives datagrams.
 *
 * @category services
 * @since 0.1.0
 */
export class UdpPort extends Context.Service<UdpPort, UdpPortShape>()("effect-quic/capability/UdpPort") {}
