/**
 * What carries several protocols at once: a connection, or a `Peer` over its reconnects.
 *
 * Each protocol opens its streams with a preamble of its own and claims those that arrive with it; likewise datagrams, by
 * a number in front. So RPC, channels and the application share one connection, and never get each other's.
 *
 * **Details**
 *
 * An incoming stream goes to
 *
 * 1. the claim whose preamble it begins with: its handler reads what follows the preamble;
 * 2. otherwise the application, by `serveStreams` or `acceptBidi` and `acceptUni`, complete from the first byte;
 * 3. if there are claims and the application has never accepted such a stream: nobody. After 7.5 to 10 seconds, or at once
 *    if the peer has reset it, it is reset and stopped with `carrierErrorCodes.unclaimed`.
 *
 * A stream of which too little has arrived to tell waits, without holding up others, for 7.5 to 10 seconds; it is then reset
 * and stopped with `carrierErrorCodes.undecided`. So is the oldest of more than 1,024 such streams. Without any claims,
 * nothing is looked at.
 *
 * **Example** (A protocol beside the application)
 *
 * ```ts
 * import { Effect } from "effect"
 * import type { Carrier } from "effect-quic"
 *
 * const preamble = new TextEncoder().encode("time1")
 *
 * const serveTime = (carrier: Carrier) =>
 *   carrier.claimStreams(preamble, (stream) =>
 *     stream.write(new TextEncoder().encode(new Date().toISOString()))
 *   )
 *
 * const askTime = (carrier: Carrier) =>
 *   Effect.scoped(
 *     Effect.gen(function* () {
 *       const stream = yield* carrier.openStream()
 *       yield* stream.write(preamble)
 *       yield* stream.finish
 *       return yield* stream.read()
 *     })
 *   )
 * ```
 *
 * @since 0.1.0
 */
import type * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { isBytes, isRecord, type Refusal } from "./arguments.ts"
import { MAX_PREAMBLE_BYTES } from "./actor/PreambleClaims.ts"
import type { DatagramClaim, DatagramClaimOptions } from "./DatagramClaim.ts"
import type { PeerInfo } from "./PeerInfo.ts"
import { invalidOption, type QuicError } from "./QuicError.ts"
import type { QuicStream } from "./QuicStream.ts"
import type { DatagramOptions } from "./SendOptions.ts"

export { carrierErrorCodes } from "./actor/PreambleClaims.ts"

/**
 * How a stream is opened.
 *
 * @category options
 * @since 0.1.0
 */
export interface OpenOptions {
  /** Only this side sends on it. Default false. */
  readonly unidirectional?: boolean
  /**
   * What is sent on it may be done twice. Default false: it waits for the end of the handshake. Otherwise it may be sent in the
   * first flight, as 0-RTT data that an attacker can replay. RFC 9001 §9.2
   */
  readonly replaySafe?: boolean
}

/**
 * What protocols share: implemented by `QuicConnection` and `Peer`.
 *
 * @category models
 * @since 0.1.0
 */
export interface Carrier {
  /**
   * Opens a stream, which ends with its scope: on success it is finished, otherwise reset and stopped with code 0. The
   * protocol writes its preamble first, best with its first message, by `writeAll`. Of a `Peer`: on the current
   * connection, or the next one.
   *
   * **Interruption**: leaves no stream open.
   */
  openStream(options?: OpenOptions): Effect.Effect<QuicStream, QuicError, Scope.Scope>
  /**
   * Runs `handler` for every incoming stream that begins with `preamble`, 1 to 64 bytes, each in its own fiber and scope,
   * until the scope of the claim ends. The handler reads what follows the preamble.
   *
   * **Details**
   *
   * Streams that wait to be accepted are claimed, too. A handler that fails or dies resets its own stream and is logged.
   * After the end of the connection, handlers have `closeTimeout` to finish. Of a `Peer`, the claim is made again on
   * each new connection, before anything else can accept its streams.
   *
   * **Errors**: `InvalidOption` if `preamble` is none, or if a stream could begin with both it and that of another claim:
   * one must not be the beginning of the other; the reason of its end, once the carrier is closed.
   *
   * **Interruption**: leaves no claim. When its scope ends, the handlers are interrupted and waited for.
   */
  claimStreams<E, R>(
    preamble: Uint8Array,
    handler: (stream: QuicStream, connection: Carrier) => Effect.Effect<void, E, R>
  ): Effect.Effect<void, QuicError, Scope.Scope | Exclude<R, Scope.Scope>>
  /**
   * Claims the datagrams that begin with `prefix`, 0 to 2^53−1, as a variable-length integer, until its scope ends; returns
   * how to send and receive them. Those that wait to be received are claimed, too.
   *
   * **Details**
   *
   * `receiveDatagram` gets the others, as they are: an application beside claims begins its own datagrams with a number, too.
   * Each claim has a queue of its own, so that none pushes out what another has not read. Of a `Peer`, the claim is made again
   * on each new connection.
   *
   * **Errors**: `InvalidOption` for a bad argument, or a prefix that is claimed; the reason of its end, once the carrier is
   * closed.
   *
   * **Interruption**: leaves no claim. When its scope ends, what was not received is lost.
   */
  claimDatagrams(
    prefix: number,
    options?: DatagramClaimOptions
  ): Effect.Effect<DatagramClaim, QuicError, Scope.Scope>
  /** Sends a datagram: see `QuicConnection.sendDatagram`. */
  sendDatagram(bytes: Uint8Array, options?: DatagramOptions): Effect.Effect<void, QuicError>
  /**
   * Who is on the other side, once it is known: at the end of the handshake. Of a `Peer`, that of the current connection,
   * or the next one.
   *
   * **Interruption**: while waiting.
   */
  readonly peerInfo: Effect.Effect<PeerInfo, QuicError>
  /** Waits for the end and returns its reason: of a connection, or of a `Peer` for good. */
  readonly closed: Effect.Effect<QuicError>
}

const badPreamble = invalidOption("preamble", `a Uint8Array of 1 to ${MAX_PREAMBLE_BYTES} bytes`)
const badOpen = invalidOption(
  "options",
  "an object with `unidirectional` and `replaySafe`, which are true or false"
)

export const refusePreamble = (preamble: unknown): Refusal =>
  isBytes(preamble) && preamble.length >= 1 && preamble.length <= MAX_PREAMBLE_BYTES ? undefined : badPreamble

export const refuseOpenOptions = (options: unknown): Refusal => {
  if (options === undefined) return undefined
  if (!isRecord(options)) return badOpen
  const { unidirectional, replaySafe, ...others } = options
  const areFlags = [unidirectional, replaySafe].every(
    (flag) => flag === undefined || typeof flag === "boolean"
  )
  return areFlags && Object.keys(others).length === 0 ? undefined : badOpen
}
