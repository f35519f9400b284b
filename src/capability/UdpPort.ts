/**
 * UDP as the transport needs it: bursts in, batches out, nothing per datagram but a synchronous call.
 *
 * `layers/node` fills it from `node:dgram` or from any Effect `DatagramSocket`, `layers/sim` from a simulated network.
 */
import * as Context from "effect/Context"
import type * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import type { SocketAddress, ZoneName } from "../wire/SocketAddress.ts"

/** The two ECN bits of the IP header: 0 Not-ECT, 1 ECT(1), 2 ECT(0), 3 CE. RFC 3168 §5 */
export type EcnCodepoint = 0 | 1 | 2 | 3

/** One datagram, valid only during the call it is handed to: the record is reused, `bytes` and the addresses are not. */
export interface ReceivedDatagram {
  /** Owned by the receiver, who may keep it and decrypt it in place. */
  readonly bytes: Uint8Array
  /** The same object for the same remote, as long as the socket remembers the remote (at least the last 1024). */
  readonly from: SocketAddress
  /** The local address it was sent to; undefined when the socket is bound to a wildcard and the system does not say. */
  readonly to: SocketAddress | undefined
  readonly ecn: EcnCodepoint
}

/** What this socket can do beyond plain datagrams. */
export interface UdpCapabilities {
  /** ECN bits are read and written; otherwise `ecn` is always 0 and what is asked for is not sent. */
  readonly ecn: boolean
  /** Datagrams are never fragmented, so a datagram that arrives proves its size. RFC 9000 §14 */
  readonly dontFragment: boolean
  /** The largest payload `send` takes, in bytes. */
  readonly maxDatagramSize: number
}

/** Counts since bind. Every datagram that was not delivered is in one of the drop counters. */
export interface UdpCounters {
  readonly sent: number
  readonly received: number
  /** Arrived, and thrown away because the receive queue was full. */
  readonly receiveDropped: number
  /** Not sent: the send queue was full, or the socket was closed. */
  readonly sendDropped: number
  /** Not sent: larger than the socket or the interface takes. */
  readonly sendTooLarge: number
  /** Not sent: the system refused for any other reason. */
  readonly sendErrors: number
  /** Errors the network reported later, such as ICMP port unreachable. Never fatal. */
  readonly socketErrors: number
  /** The last of these errors, for people. */
  readonly lastError: string | undefined
}

export interface UdpSocket {
  readonly localAddress: SocketAddress
  readonly capabilities: UdpCapabilities
  readonly counters: UdpCounters
  /**
   * Sets the one wake-up call. It is called synchronously and must be cheap and must not throw: once when a datagram
   * arrives after `drain` had left the queue empty, and once when `congested` turns false. At once if datagrams wait already.
   */
  onReadable(wake: () => void): void
  /** Hands at most `max` waiting datagrams to `handle`, oldest first; returns how many. */
  drain(max: number, handle: (datagram: ReceivedDatagram) => void): number
  /**
   * Sends `buffer[start, end)` now or at `flush`. The bytes are taken before it returns: the caller may overwrite them at once.
   * Never throws; what cannot be sent is counted and forgotten, as the network would have done.
   *
   * `from` is an address that a datagram was sent to (its `to`): where to answer from, if the machine still has it.
   * Without it, and where a socket cannot, the system chooses.
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
   * Sets the one listener for destinations that the system refuses to send to, however early or late it says so.
   * `isLasting` tells a refusal that will be the same in a moment (no route, not permitted) from the system's being busy.
   */
  onRefused(listener: (to: SocketAddress, problem: string, isLasting: boolean) => void): void
  /** Hands everything sent so far to the system. To be called once at the end of a burst. */
  flush(): void
  /** The system is not taking datagrams as fast as they are sent; stop until the wake-up call. */
  readonly congested: boolean
}

export interface UdpBindOptions {
  /** An IP address literal; `::` takes both families unless `ipv6Only`. Default `0.0.0.0`. */
  readonly host?: string | undefined
  /** Default 0: a free one. */
  readonly port?: number | undefined
  /** Asked of the system, which may grant less. Default 4 MiB. */
  readonly receiveBufferBytes?: number | undefined
  /** Asked of the system, which may grant less. Default 4 MiB. */
  readonly sendBufferBytes?: number | undefined
  readonly ipv6Only?: boolean | undefined
  /**
   * Bound to a wildcard, tells of each datagram which of the machine's addresses it was sent to, and sends from the one
   * it is told to. Where the system has no better way that takes a socket for each address. Default false.
   */
  readonly multihomed?: boolean | undefined
  /** Several processes share the port, the system spreads remotes over them, where it can. */
  readonly reusePort?: boolean | undefined
  /** How many received datagrams wait for `drain` before more are dropped. Default 4096. */
  readonly receiveQueueLength?: number | undefined
}

/** Why a socket could not be bound. */
export class UdpBindError extends Schema.TaggedError<UdpBindError>("effect-quic/capability/UdpBindError")(
  "UdpBindError",
  {
    reason: Schema.Literals([
      "AddressInUse",
      "AddressNotAvailable",
      "PermissionDenied",
      "InvalidAddress",
      "Unknown"
    ]),
    host: Schema.String,
    port: Schema.Number,
    message: Schema.String
  }
) {}

export interface UdpPortShape {
  /** Binds a socket that is closed when its scope is. */
  bind(options?: UdpBindOptions): Effect.Effect<UdpSocket, UdpBindError, Scope.Scope>
  /** How these sockets write the zone of a link-local address. Left out: as it is written. */
  readonly zoneName?: ZoneName
}

/** Where datagrams come from and go to. */
export class UdpPort extends Context.Service<UdpPort, UdpPortShape>()("effect-quic/capability/UdpPort") {}
