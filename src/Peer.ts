/**
 * A server to stay connected with, by a restart policy.
 *
 * A peer lives in the scope it is made in. It connects when its policy says so, resumes the session if the server
 * allows it, and hands out the current connection. It never retries work: an operation that fails with its connection
 * fails, and retrying it is up to the application.
 *
 * **Example** (Calling a service)
 *
 * ```ts
 * import { Effect, Stream } from "effect"
 * import type { QuicEndpointShape } from "effect-quic"
 *
 * const ask = (endpoint: QuicEndpointShape, question: Uint8Array) =>
 *   Effect.gen(function* () {
 *     const billing = yield* endpoint.peer({ host: "billing.internal", port: 4433, alpn: ["rpc"] })
 *     return yield* Effect.scoped(
 *       Effect.gen(function* () {
 *         const call = yield* billing.openBidi({ replaySafe: true })
 *         yield* call.write(question)
 *         yield* call.finish
 *         return yield* Stream.mkString(Stream.decodeText(call.readable))
 *       })
 *     )
 *   })
 * ```
 *
 * **Interruption**
 *
 * An operation interrupted before it takes effect has no effect. One that is interrupted while it waits for a
 * connection stops waiting; the connection that the policy is making stays the peer's.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as FiberSet from "effect/FiberSet"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import * as SubscriptionRef from "effect/SubscriptionRef"
import { acquireAll } from "./actor/acquire.ts"
import type { PeerActor } from "./actor/PeerActor.ts"
import type * as PeerLife from "./actor/peerState.ts"
import { type Carrier, type OpenOptions, refuseOpenOptions, refusePreamble } from "./Carrier.ts"
import { type DatagramClaim, type DatagramClaimOptions, refuseDatagramClaim } from "./DatagramClaim.ts"
import { PeerClaims } from "./peerClaims.ts"
import type { PeerInfo } from "./PeerInfo.ts"
import type { QuicConnection } from "./QuicConnection.ts"
import { called, isRecord, refuseBytes, refuseFunction } from "./arguments.ts"
import { type QuicError, withErrorCode } from "./QuicError.ts"
import { check } from "./QuicOptions.ts"
import type { QuicStream } from "./QuicStream.ts"
import type { ServeOptions } from "./ServingConnection.ts"
import { badOptions, type DatagramOptions, refuseDatagramOptions } from "./SendOptions.ts"

export type { RestartPolicy } from "./actor/ReconnectPolicy.ts"
export { defaultSchedule, type DialPeerOptions, type PeerOptions, type PeerPolicy } from "./PeerOptions.ts"

/**
 * What a peer is doing.
 *
 * **Details**
 *
 * - `Idle`: no connection, and none wanted; `reason` is how the last one ended, or why none could be made
 * - `Connecting`: attempt `attempt` since the last stable connection, counted from 1; with `retryInMillis` above 0 it waits
 *   that long first, because of `lastFailure`
 * - `Connected`: `connection` is usable
 * - `Migrating`: connected, and validating another path
 * - `Closed`: for good; `reason` is undefined if this side closed it
 *
 * @category models
 * @since 0.1.0
 */
export type PeerState = PeerLife.PeerState<QuicConnection>

/**
 * How an operation uses a connection.
 *
 * @category options
 * @since 0.1.0
 */
export interface UseOptions {
  /**
   * The work may be done twice. Default false.
   *
   * It may then be sent in the first flight as 0-RTT data, which an attacker can replay, if a session ticket allows it.
   * RFC 9001 §9.2
   */
  readonly replaySafe?: boolean
}

const UseSchema = Schema.Struct({ replaySafe: Schema.optionalKey(Schema.Boolean) })

const replaySafety = (options: UseOptions | undefined): Effect.Effect<boolean, QuicError> =>
  options === undefined
    ? Effect.succeed(false)
    : Effect.map(check(UseSchema, options), ({ replaySafe = false }) => replaySafe)

/**
 * A server to stay connected with. Made by `endpoint.peer`.
 *
 * @category models
 * @since 0.1.0
 */
export class Peer implements Carrier {
  private readonly actor: PeerActor<QuicConnection>
  private readonly claims: PeerClaims

  /** Called by `endpoint.peer`; not for applications. @internal */
  constructor(actor: PeerActor<QuicConnection>) {
    this.actor = actor
    this.claims = new PeerClaims(actor)
  }

  /** Name of the peer, as in `PeerOptions`. */
  get name(): string {
    return this.actor.settings.name
  }

  /** The current state. */
  get state(): Effect.Effect<PeerState> {
    return SubscriptionRef.get(this.actor.state)
  }

  /** The current state and every one that follows; ends after `Closed`. */
  get changes(): Stream.Stream<PeerState> {
    return Stream.takeUntil(SubscriptionRef.changes(this.actor.state), ({ _tag }) => _tag === "Closed")
  }

  /** The state as a reference, to be composed with others. Read it only. */
  get ref(): SubscriptionRef.SubscriptionRef<PeerState> {
    return this.actor.state
  }

  /**
   * The current connection, or the next one. It belongs to the peer: do not close it.
   *
   * Fails with `PeerClosed`, with `PeerBusy` if too many operations wait, and on demand with the errors of `connect`.
   *
   * **Interruption**: while waiting; it then stops waiting.
   */
  get connection(): Effect.Effect<QuicConnection, QuicError> {
    return this.actor.connection(false)
  }

  /**
   * Runs `work` with the current connection, or the next one.
   *
   * Fails as `connection` does, with `InvalidOption` for a bad argument, and with the errors of `work`.
   *
   * **Interruption**: stops waiting, or interrupts `work`.
   */
  use<A, E, R>(
    work: (connection: QuicConnection) => Effect.Effect<A, E, R>,
    options?: UseOptions
  ): Effect.Effect<A, E | QuicError, R> {
    return (
      refuseFunction(work, "work") ??
      Effect.flatMap(this.wanted(options), (connection) => called(() => work(connection)))
    )
  }

  /**
   * Opens a bidirectional stream on the current connection, or the next one. It ends with its scope, as streams of
   * `QuicConnection.openBidi` do.
   *
   * Fails as `connection` and `QuicConnection.openBidi` do.
   *
   * **Interruption**: leaves no stream open.
   */
  openBidi(options?: UseOptions): Effect.Effect<QuicStream, QuicError, Scope.Scope> {
    return this.opened(options, (connection) => connection.openBidi)
  }

  /**
   * Opens a unidirectional stream on the current connection, or the next one; otherwise as `openBidi`.
   *
   * **Interruption**: leaves no stream open.
   */
  openUni(options?: UseOptions): Effect.Effect<QuicStream, QuicError, Scope.Scope> {
    return this.opened(options, (connection) => connection.openUni)
  }

  /** Opens a stream in either direction, on the current connection or the next one; see `Carrier`. */
  openStream(options?: OpenOptions): Effect.Effect<QuicStream, QuicError, Scope.Scope> {
    return Effect.suspend(() => {
      const refusal = refuseOpenOptions(options)
      if (refusal !== undefined) return refusal
      const { unidirectional = false, replaySafe = false } = options ?? {}
      return this.opened({ replaySafe }, (connection) =>
        unidirectional ? connection.openUni : connection.openBidi
      )
    })
  }

  /** Serves the incoming streams that begin with `preamble`, on this connection and all that follow; see `Carrier`. */
  claimStreams<E, R>(
    preamble: Uint8Array,
    handler: (stream: QuicStream, connection: QuicConnection) => Effect.Effect<void, E, R>
  ): Effect.Effect<void, QuicError, Scope.Scope | Exclude<R, Scope.Scope>> {
    return Effect.suspend(() => {
      const refusal = refusePreamble(preamble) ?? refuseFunction(handler, "handler")
      if (refusal !== undefined) return refusal
      const copy = preamble.slice()
      return this.claims.claimStreams<Exclude<R, Scope.Scope>>(copy, (connection) =>
        connection.servePreamble(copy, handler)
      )
    })
  }

  /** Claims the datagrams that begin with `prefix`, of this connection and all that follow; see `Carrier`. */
  claimDatagrams(
    prefix: number,
    options?: DatagramClaimOptions
  ): Effect.Effect<DatagramClaim, QuicError, Scope.Scope> {
    return Effect.suspend(
      () => refuseDatagramClaim(prefix, options) ?? this.claims.claimDatagrams(prefix, options)
    )
  }

  /** Who is on the other side of the current connection, or the next one. Fails as `connection` does. */
  get peerInfo(): Effect.Effect<PeerInfo, QuicError> {
    return Effect.flatMap(this.connection, (connection) => connection.peerInfo)
  }

  /** Waits until the peer is closed for good, and returns `PeerClosed`, which says why. */
  get closed(): Effect.Effect<QuicError> {
    return this.actor.closed
  }

  private wanted(options: UseOptions | undefined): Effect.Effect<QuicConnection, QuicError> {
    return Effect.flatMap(replaySafety(options), (replaySafe) => this.actor.connection(replaySafe))
  }

  private opened(
    options: UseOptions | undefined,
    open: (connection: QuicConnection) => Effect.Effect<QuicStream, QuicError, Scope.Scope>
  ): Effect.Effect<QuicStream, QuicError, Scope.Scope> {
    return Effect.flatMap(replaySafety(options), (replaySafe) => {
      const there = this.actor.current(replaySafe)
      // closing the scope ends the wait
      return there === undefined
        ? acquireAll(Effect.flatMap(this.actor.connection(replaySafe), open))
        : open(there)
    })
  }

  /**
   * Sends a datagram over the current connection, or the next one.
   *
   * Fails as `connection` and `QuicConnection.sendDatagram` do. `deadline` begins once there is a connection.
   *
   * **Interruption**: the datagram is queued completely or not at all.
   */
  sendDatagram(
    bytes: Uint8Array,
    options: UseOptions & DatagramOptions = {}
  ): Effect.Effect<void, QuicError> {
    const given: unknown = options
    if (!isRecord(given)) return badOptions
    const { replaySafe, ...intent } = options
    return (
      refuseBytes(bytes) ??
      refuseDatagramOptions(intent) ??
      Effect.flatMap(this.wanted(replaySafe === undefined ? undefined : { replaySafe }), (connection) =>
        connection.sendDatagram(bytes, intent)
      )
    )
  }

  /**
   * Runs `handler` for every stream the peer opens, on the current connection and all that follow. Does not request a
   * connection. Fails with `PeerClosed` when the peer is closed, which interrupts the handlers.
   *
   * A new connection is served at once, while handlers of the previous one still have `closeTimeout` to finish.
   *
   * **Interruption**: as in `QuicConnection.serveStreams`.
   */
  serveStreams<E, R>(
    handler: (stream: QuicStream) => Effect.Effect<void, E, R>,
    options?: ServeOptions
  ): Effect.Effect<never, QuicError, Exclude<R, Scope.Scope>> {
    const serve = Effect.gen({ self: this }, function* () {
      const serving = yield* FiberSet.make<void>()
      let served: QuicConnection | undefined
      const serveNext = Effect.flatMap(
        Effect.suspend(() => this.actor.replacement(served)),
        (connection) => {
          served = connection
          return FiberSet.run(serving, Effect.ignore(connection.serveStreams(handler, options)))
        }
      )
      return yield* Effect.tapError(Effect.forever(serveNext), () => FiberSet.awaitEmpty(serving))
    })
    return refuseFunction(handler, "handler") ?? Effect.scoped(serve)
  }

  /**
   * Replaces the current connection, without waiting for policy or schedule; the old one first delivers accepted data.
   *
   * Returns once requested; `connection` waits for the new one. Fails with `PeerClosed`.
   */
  get restart(): Effect.Effect<void, QuicError> {
    return this.actor.restart()
  }

  /**
   * Delivers accepted data for at most `closeTimeout`, closes the connection and makes no other. Idempotent.
   *
   * `code` is an application error code, 0 to 2^53−1, default 0; `reason` is for people. Fails with `InvalidOption` if
   * they are not.
   *
   * **Interruption**: closing continues without the caller.
   */
  close(code = 0, reason = ""): Effect.Effect<void, QuicError> {
    return withErrorCode(code, () => this.actor.close(code, reason), reason)
  }
}
