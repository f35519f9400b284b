/**
 * Whether the peer of a connection is alive, as a degree of suspicion that grows while it is silent (phi-accrual).
 *
 * Anything authentic that arrives is a sign of life. Only if nothing does, a PING asks for one, at most once per heartbeat.
 *
 * **Details**
 *
 * Phi is −log10 of the probability that a peer that is alive would be silent for that long, judged by the intervals so far:
 * 1 is wrong one time in ten, 8 one time in a hundred million. Hayashibara et al., "The φ accrual failure detector"
 * (2004); defaults as in Akka.
 *
 * A silence counts only as far as this process has run: neither a blocked event loop nor a suspended machine makes a peer
 * suspicious. Nor does a link that is saturated: a pause of three probe timeouts is always accepted, and they include the
 * queues on the way (RFC 9002 §6.2.1).
 *
 * A peer that is given up can be quarantined: its connection is closed with `quarantined`, and it is told so whenever it is
 * heard again within the idle timeout, as it could otherwise go on with what has been handed to others meanwhile.
 *
 * **Example** (Giving up on a peer)
 *
 * ```ts
 * import { Effect, Stream } from "effect"
 * import { Liveness, type QuicConnection } from "effect-quic"
 *
 * const giveUpOnSilent = (connection: QuicConnection) =>
 *   Effect.gen(function* () {
 *     const liveness = yield* Liveness.make(connection)
 *     yield* liveness.changes.pipe(
 *       Stream.filter(({ _tag }) => _tag === "Suspected"),
 *       Stream.runForEach(() => liveness.quarantine("silent for too long"))
 *     )
 *   })
 * ```
 *
 * @since 0.1.0
 */
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { acquireAll } from "./actor/acquire.ts"
import type { ConnectionActor } from "./actor/ConnectionActor.ts"
import { WaitList } from "./actor/WaitList.ts"
import { durationOr, inMillis } from "./durationOption.ts"
import type { QuicConnection } from "./QuicConnection.ts"
import { type QuicError, withErrorCode } from "./QuicError.ts"
import { check } from "./QuicOptions.ts"
import { LivenessMonitor } from "./recovery/LivenessMonitor.ts"

/**
 * The application error code of a connection whose peer was quarantined.
 *
 * @category constants
 * @since 0.1.0
 */
export const quarantined = 0x4551_0003

/**
 * Whether a connection has ended because one side has quarantined the other.
 *
 * @category guards
 * @since 0.1.0
 */
export const isQuarantine = ({ reason }: QuicError): boolean =>
  reason._tag === "ApplicationClosed" && reason.code === quarantined

const number = (minimum: number, maximum: number, byDefault: number) =>
  Schema.Finite.check(Schema.isBetween({ minimum, maximum })).pipe(
    Schema.withDecodingDefaultKey(Effect.succeed(byDefault))
  )

const OptionsSchema = Schema.Struct({
  heartbeat: durationOr(10, 60_000, "1 second"),
  acceptablePause: durationOr(0, 600_000, "3 seconds"),
  minDeviation: durationOr(1, 60_000, "100 millis"),
  suspectAt: number(0.1, 300, 8),
  samples: Schema.Int.check(Schema.isBetween({ minimum: 2, maximum: 10_000 })).pipe(
    Schema.withDecodingDefaultKey(Effect.succeed(200))
  )
})

/**
 * How a peer is watched.
 *
 * @category options
 * @since 0.1.0
 */
export interface LivenessOptions {
  /** The peer is asked for a sign of life after that long a silence. 10 millis to 1 minute, default 1 second. */
  readonly heartbeat?: Duration.Input
  /**
   * A silence beyond the usual that is nothing yet, such as a garbage collection there. 0 to 10 minutes, default 3 seconds.
   */
  readonly acceptablePause?: Duration.Input
  /** Smallest standard deviation of the intervals that is assumed. 1 milli to 1 minute, default 100 millis. */
  readonly minDeviation?: Duration.Input
  /** Phi from which the peer is suspected. 0.1 to 300, default 8. */
  readonly suspectAt?: number
  /** Latest intervals that are taken into account, of 8 bytes each. 2 to 10,000, default 200. */
  readonly samples?: number
}

/**
 * What is thought of the peer. `silenceMillis` is for how long nothing has arrived, `phi` how suspicious that is.
 *
 * @category models
 * @since 0.1.0
 */
export interface Suspicion {
  /** `"Suspected"` from `suspectAt` on; `"Alive"` again as soon as the peer is heard. */
  readonly _tag: "Alive" | "Suspected"
  /** Suspicion, from 0. */
  readonly phi: number
  /** Time without a sign of life, while this process has run. */
  readonly silenceMillis: number
}

/**
 * The watch over one connection.
 *
 * @category models
 * @since 0.1.0
 */
export interface Liveness {
  /** What is thought of the peer now. */
  readonly suspicion: Effect.Effect<Suspicion>
  /** What is thought of the peer, and again at each change between `"Alive"` and `"Suspected"`; ends with the watch. */
  readonly changes: Stream.Stream<Suspicion>
  /**
   * Gives the peer up: closes the connection at once with the code `quarantined` and the reason. Whenever the peer is heard
   * again, it is answered that, for as long as it may keep the connection: its idle timeout, at most a minute.
   *
   * On a connection that has ended it does nothing. Fails with `InvalidOption` if the reason is no string.
   */
  readonly quarantine: (reason?: string) => Effect.Effect<void, QuicError>
}

/** For connections without an idle timeout. */
const LONGEST_NOTICE_MICROS = 60_000_000

/** Ends when the connection has ended. */
const watch = (
  actor: ConnectionActor,
  monitor: LivenessMonitor,
  onChange: () => void
): Effect.Effect<void> => {
  const { idle } = actor.core.parts
  const look = Effect.sync(() => {
    if (actor.isOver) return false
    const before = monitor.isSuspected
    const ptoMillis = actor.core.paths.ptoMicros / 1000
    if (monitor.look(actor.now() / 1000, idle.receivedAt / 1000, ptoMillis)) {
      actor.core.ping()
      actor.touch()
    }
    if (monitor.isSuspected !== before) onChange()
    return true
  })
  const next: Effect.Effect<void> = Effect.suspend(() =>
    Effect.flatMap(Effect.delay(look, monitor.lookMillis), (goesOn) => (goesOn ? next : Effect.void))
  )
  return next
}

const quarantine = (actor: ConnectionActor, reason: string): void => {
  const { core } = actor
  const silence = core.parts.idle.longestSilence(core.paths.ptoMicros)
  core.close(quarantined, reason, actor.now(), Math.min(silence, LONGEST_NOTICE_MICROS))
  actor.touch()
}

const suspicionOf = ({ isSuspected, phi, silenceMillis }: LivenessMonitor): Suspicion => ({
  _tag: isSuspected ? "Suspected" : "Alive",
  phi,
  silenceMillis
})

/** One element for each change that is seen, the latest if several were missed. */
const changesOf = (monitor: LivenessMonitor, changed: WaitList, isOver: () => boolean) =>
  Stream.unfold(undefined as Suspicion["_tag"] | undefined, (before) => {
    const look: Effect.Effect<readonly [Suspicion, Suspicion["_tag"]] | undefined> = Effect.suspend(() => {
      const suspicion = suspicionOf(monitor)
      if (suspicion._tag !== before) return Effect.succeed([suspicion, suspicion._tag] as const)
      return isOver() ? Effect.undefined : changed.parkThen(look)
    })
    return look
  })

/**
 * Watches the peer of a connection until the scope or the connection ends.
 *
 * **Errors**: `InvalidOption`; the reason of its end if the handshake fails.
 *
 * **Interruption**: while the handshake is in progress; watches nothing.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = (
  connection: QuicConnection,
  options: LivenessOptions = {}
): Effect.Effect<Liveness, QuicError, Scope.Scope> =>
  Effect.flatMap(check(OptionsSchema, options), (settings) => acquireAll(begin(connection, settings)))

const begin = Effect.fnUntraced(function* (
  connection: QuicConnection,
  settings: typeof OptionsSchema.Type
): Effect.fn.Return<Liveness, QuicError, Scope.Scope> {
  yield* connection.handshakeComplete
  const { actor } = connection
  const { receivedAt } = actor.core.parts.idle
  const durations = inMillis(settings, ["heartbeat", "acceptablePause", "minDeviation"])
  const monitor = new LivenessMonitor(durations, actor.now() / 1000, receivedAt / 1000)
  const changed = new WaitList()
  let isOver = false
  const end = Effect.sync(() => {
    isOver = true
    changed.wakeAll()
  })
  const watching = watch(actor, monitor, () => changed.wakeAll())
  yield* Effect.addFinalizer(() => end)
  yield* Effect.forkScoped(Effect.andThen(Effect.raceFirst(watching, connection.closed), end))
  return {
    suspicion: Effect.sync(() => suspicionOf(monitor)),
    changes: changesOf(monitor, changed, () => isOver),
    quarantine: (reason = "") =>
      withErrorCode(quarantined, () => Effect.sync(() => quarantine(actor, reason)), reason)
  }
})
