/**
 * Somebody to stay connected with, by a restart policy.
 *
 * ```ts
 * const billing = yield* endpoint.peer({ host: "billing.internal", port: 4433, alpn: ["rpc"] })
 * const answer = yield* billing.use((connection) => call(connection, question))
 * ```
 *
 * A peer lives in the scope it is made in. While it lives it makes a connection whenever the policy says so, resumes the
 * session where the server allows that, and gives out whatever connection there is. Nothing is repeated on its own: work
 * that fails with its connection fails, and is the application's to retry.
 *
 * Every operation begins with a checkpoint, interrupted at which it has changed nothing. One that waits for a connection and
 * is interrupted waits no longer; a connection that the policy is making meanwhile stays the peer's.
 */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import * as SubscriptionRef from "effect/SubscriptionRef"
import { acquireAll } from "./actor/acquire.ts"
import type { PeerActor } from "./actor/PeerActor.ts"
import type * as PeerLife from "./actor/peerState.ts"
import type { RestartPolicy } from "./actor/ReconnectPolicy.ts"
import type { QuicConnection } from "./QuicConnection.ts"
import type { ConnectOptions } from "./EndpointOptions.ts"
import { called, refuseBytes, refuseFunction } from "./arguments.ts"
import { type QuicError, withErrorCode } from "./QuicError.ts"
import { check } from "./QuicOptions.ts"
import type { QuicStream } from "./QuicStream.ts"

export type { RestartPolicy } from "./actor/ReconnectPolicy.ts"

/** What a peer is doing. */
export type PeerState = PeerLife.PeerState<QuicConnection>

const int = (minimum: number, maximum: number, byDefault: number) =>
  Schema.Int.check(Schema.isBetween({ minimum, maximum })).pipe(
    Schema.withDecodingDefaultKey(Effect.succeed(byDefault))
  )

export const PeerSchema = Schema.Struct({
  name: Schema.optionalKey(Schema.String.check(Schema.isBetweenLength(1, 253))),
  restart: Schema.Literals(["eager", "onDemand", "giveUp"]).pipe(
    Schema.withDecodingDefaultKey(Effect.succeed("eager" as const))
  ),
  stableMillis: int(0, 86_400_000, 10_000),
  maxWaiting: int(0, 1_000_000, 1024)
})

export interface PeerOptions extends Omit<ConnectOptions, "earlyData"> {
  /** Tells the peer from the endpoint's others, in logs and in the tree; `serverName:port` when left out. */
  readonly name?: string
  /**
   * When a connection is made: `"eager"`, the default, at once and again whenever there is none; `"onDemand"` as soon
   * as somebody waits for one; `"giveUp"` once, and never again.
   */
  readonly restart?: RestartPolicy
  /**
   * How long to wait before each further attempt, and when to stop. It is fed with the errors, so that it can stop at
   * some (`Schedule.while`). When it is over an eager peer is closed, and one on demand idle until it is asked again.
   * `defaultSchedule` when left out.
   */
  readonly schedule?: Schedule.Schedule<unknown, QuicError>
  /** A connection that lasted this long (0 … 86 400 000, 10 000 when left out) begins the schedule anew. */
  readonly stableMillis?: number
  /** How many fibers may wait for a connection (0 … 1 000 000, 1024 when left out); one more fails with `PeerBusy`. */
  readonly maxWaiting?: number
}

/** 100 ms, doubling up to 30 s, each a fifth more or less; without end. */
export const defaultSchedule: Schedule.Schedule<unknown, QuicError> = Schedule.exponential("100 millis").pipe(
  Schedule.modifyDelay(({ duration }) => Effect.succeed(Duration.min(duration, Duration.seconds(30)))),
  Schedule.jittered
)

export interface UseOptions {
  /**
   * The work may be done twice: it may leave in the first flight, as 0-RTT data that an attacker can replay, when a
   * ticket of the server allows it. RFC 9001 §9.2
   */
  readonly replaySafe?: boolean
}

const UseSchema = Schema.Struct({ replaySafe: Schema.optionalKey(Schema.Boolean) })

const replaySafety = (options: UseOptions | undefined): Effect.Effect<boolean, QuicError> =>
  options === undefined
    ? Effect.succeed(false)
    : Effect.map(check(UseSchema, options), ({ replaySafe = false }) => replaySafe)

export class Peer {
  private readonly actor: PeerActor<QuicConnection>

  /** Made by `endpoint.peer`; not for applications. */
  constructor(actor: PeerActor<QuicConnection>) {
    this.actor = actor
  }

  get name(): string {
    return this.actor.settings.name
  }

  /** What the peer is doing now. */
  get state(): Effect.Effect<PeerState> {
    return SubscriptionRef.get(this.actor.state)
  }

  /** The state now, and every one that follows. */
  get changes(): Stream.Stream<PeerState> {
    return Stream.takeUntil(SubscriptionRef.changes(this.actor.state), ({ _tag }) => _tag === "Closed")
  }

  /** The state as a reference, for whoever composes it with others. Only to be read. */
  get ref(): SubscriptionRef.SubscriptionRef<PeerState> {
    return this.actor.state
  }

  /**
   * The connection there is, or the next one. Fails with `PeerClosed`; with `PeerBusy` when too many wait; on demand
   * with what the attempts failed with. The connection is the peer's: do not close it. A checkpoint first, and whenever
   * it waits; interrupted, it waits no longer.
   */
  get connection(): Effect.Effect<QuicConnection, QuicError> {
    return this.actor.connection(false)
  }

  /**
   * Does `work` with the connection there is, or the next one. Interrupted, it waits no longer, or interrupts `work`.
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
   * Opens a stream both sides write, on the connection there is or the next one. It ends with its scope. Interrupted,
   * it has opened none.
   */
  openBidi(options?: UseOptions): Effect.Effect<QuicStream, QuicError, Scope.Scope> {
    return this.opened(options, (connection) => connection.openBidi)
  }

  /** Opens a stream only this side writes. Interrupted, it has opened none. */
  openUni(options?: UseOptions): Effect.Effect<QuicStream, QuicError, Scope.Scope> {
    return this.opened(options, (connection) => connection.openUni)
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
      // who waits for a connection waits no longer than their scope lasts
      return there === undefined
        ? acquireAll(Effect.flatMap(this.actor.connection(replaySafe), open))
        : open(there)
    })
  }

  /**
   * Sends a datagram over the connection there is, or the next one. Interrupted, it has queued all of it or nothing.
   */
  sendDatagram(bytes: Uint8Array, options?: UseOptions): Effect.Effect<void, QuicError> {
    return (
      refuseBytes(bytes) ??
      Effect.flatMap(this.wanted(options), (connection) => connection.sendDatagram(bytes))
    )
  }

  /**
   * Runs `handler` for every stream the peer opens, on this connection and all that follow. Asks for no connection
   * itself. Fails with `PeerClosed` in the end. Interrupted as `serveStreams` of a connection is.
   */
  serveStreams<E, R>(
    handler: (stream: QuicStream) => Effect.Effect<void, E, R>
  ): Effect.Effect<never, QuicError, Exclude<R, Scope.Scope>> {
    const serveFrom = (
      previous: QuicConnection | undefined
    ): Effect.Effect<never, QuicError, Exclude<R, Scope.Scope>> =>
      Effect.flatMap(this.actor.replacement(previous), (connection) =>
        Effect.flatMap(Effect.ignore(connection.serveStreams(handler)), () => serveFrom(connection))
      )
    return refuseFunction(handler, "handler") ?? serveFrom(undefined)
  }

  /**
   * Makes a new connection in place of the one there is, without waiting for policy or schedule; what was accepted on
   * the old one is delivered first. Done when it is asked for: `connection` waits for it. Fails with `PeerClosed`. A
   * checkpoint, then at once.
   */
  get restart(): Effect.Effect<void, QuicError> {
    return this.actor.restart()
  }

  /**
   * Delivers what was accepted, for `closeTimeoutMillis` at most, closes the connection with an application `code`
   * (0 … 2^53−1), and makes no other. Idempotent. A checkpoint first; interrupted later, it goes on without the
   * caller.
   */
  close(code = 0, reason = ""): Effect.Effect<void, QuicError> {
    return withErrorCode(code, () => this.actor.close(code, reason), reason)
  }
}
