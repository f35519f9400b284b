/**
 * One peer: somebody to stay connected with.
 *
 * It owns a fiber that lives as long as the peer does and, below it, one connection at a time. When that ends the fiber
 * makes another, as the policy and its schedule say, and tells everybody who waits. It holds no work: whoever waits for a
 * connection is a fiber of the application's, and there is a limit to how many may. Interrupting the fiber closes the
 * connection.
 */
import * as Clock from "effect/Clock"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Pull from "effect/Pull"
import * as Schedule from "effect/Schedule"
import type * as Scope from "effect/Scope"
import * as SubscriptionRef from "effect/SubscriptionRef"
import type { PeerNode } from "../FiberTree.ts"
import type { QuicConnection } from "../QuicConnection.ts"
import { PeerBusy, PeerClosed, type QuicError, quicError } from "../QuicError.ts"
import type { Branch } from "./Branch.ts"
import type { EndpointActor, PeerPlace } from "./EndpointActor.ts"
import { PeerLifecycle, type PeerState } from "./peerState.ts"
import { WaitList } from "./WaitList.ts"

/** When a peer makes a connection anew: always, when somebody wants it, or never. */
export type RestartPolicy = "eager" | "onDemand" | "giveUp"

export interface PeerSettings {
  readonly name: string
  readonly restart: RestartPolicy
  /** How long to wait before each attempt after the first, and how many there are. Fed with what went wrong. */
  readonly schedule: Schedule.Schedule<unknown, QuicError>
  /** A connection that lasted this long was a success: the schedule begins anew. */
  readonly stableMillis: number
  readonly maxWaiting: number
  /** Makes a connection, which may be usable for 0-RTT only at first. */
  readonly dial: (peer: PeerPlace) => Effect.Effect<QuicConnection, QuicError, Scope.Scope>
}

/** How a connection, or the attempt to make one, came to its end. */
interface Ending {
  readonly error: QuicError
  /** The application has asked for another. */
  readonly restarted: boolean
  /** Since the handshake was complete; below 0 when it never was. */
  readonly lastedMillis: number
}

type Delays = (error: QuicError) => Effect.Effect<number | undefined>

export class PeerActor implements PeerPlace {
  readonly branch: Branch
  readonly state: SubscriptionRef.SubscriptionRef<PeerState>
  readonly settings: PeerSettings
  /** Fibers that wait for a connection. */
  readonly available = new WaitList()
  /** Fibers that serve whatever connection there is, and do not ask for one. */
  readonly replaced = new WaitList()
  private readonly endpoint: EndpointActor
  private readonly lifecycle = new PeerLifecycle()
  /** Something was asked of the fiber. */
  private readonly asked = new WaitList()
  private readonly ended = Deferred.makeUnsafe<void>()
  private early: QuicConnection | undefined = undefined
  private restartAsked = false
  private farewell: { readonly code: number; readonly reason: string } | undefined = undefined
  /** How often nobody could be reached, so that those who waited know that it was their attempts that failed. */
  private failures = 0
  private sinceMicros: number

  constructor(
    settings: PeerSettings,
    endpoint: EndpointActor,
    state: SubscriptionRef.SubscriptionRef<PeerState>
  ) {
    this.settings = settings
    this.endpoint = endpoint
    this.state = state
    this.sinceMicros = endpoint.now()
    this.branch = endpoint.branch.fork(this.life, (cause) => {
      endpoint.report(`the peer ${settings.name} broke`, cause)
    })
  }

  get name(): string {
    return this.settings.name
  }

  look(nowMicros: number): Omit<PeerNode, "connections"> {
    const { state } = this.lifecycle
    return {
      name: this.settings.name,
      state: state._tag.toLowerCase(),
      detail: detailOf(state),
      fiber: this.branch.fiberId,
      sinceMillis: (nowMicros - this.sinceMicros) / 1000,
      waiting: this.available.size
    }
  }

  /** The connection there is; with `early`, also one that carries only 0-RTT data yet. */
  current(early: boolean): QuicConnection | undefined {
    const { state } = this.lifecycle
    if (state._tag === "Connected" || state._tag === "Migrating") return state.connection
    return early ? this.early : undefined
  }

  /** Waits for a connection, and asks for one where the policy is to wait for that. */
  connection(early: boolean): Effect.Effect<QuicConnection, QuicError> {
    return Effect.suspend(() => {
      const { failures } = this
      const look: Effect.Effect<QuicConnection, QuicError> = Effect.suspend(() => {
        const { state } = this.lifecycle
        if (state._tag === "Closed") return Effect.fail(this.closedError(state.reason))
        const connection = this.current(early)
        if (connection !== undefined) return Effect.succeed(connection)
        if (state._tag === "Idle" && state.reason !== undefined && this.failures !== failures)
          return Effect.fail(state.reason)
        const { name, maxWaiting } = this.settings
        if (this.available.size >= maxWaiting)
          return Effect.fail(quicError(new PeerBusy({ name, maxWaiting })))
        return this.available.parkThen(look, () => this.asked.wakeAll())
      })
      return look
    })
  }

  /** The next connection that is not `previous`, whoever asks for it. */
  replacement(previous: QuicConnection | undefined): Effect.Effect<QuicConnection, QuicError> {
    return Effect.suspend(() => {
      const { state } = this.lifecycle
      if (state._tag === "Closed") return Effect.fail(this.closedError(state.reason))
      const connection = this.current(false)
      return connection !== undefined && connection !== previous
        ? Effect.succeed(connection)
        : this.replaced.parkThen(this.replacement(previous))
    })
  }

  /** Asks for a new connection in place of the one there is, at once. */
  restart(): Effect.Effect<void, QuicError> {
    return Effect.suspend(() => {
      const { state } = this.lifecycle
      if (state._tag === "Closed") return Effect.fail(this.closedError(state.reason))
      this.restartAsked = true
      this.asked.wakeAll()
      return Effect.void
    })
  }

  /** Delivers what was accepted, closes the connection with `code`, and makes no other. */
  close(code: number, reason: string): Effect.Effect<void> {
    return Effect.suspend(() => {
      this.farewell ??= { code, reason }
      this.asked.wakeAll()
      return Deferred.await(this.ended)
    })
  }

  retire(): void {
    this.farewell ??= { code: 0, reason: "" }
    this.asked.wakeAll()
  }

  /** Closes at once: after a failure or an interrupt, or with the endpoint. */
  get abandon(): Effect.Effect<void> {
    return Effect.andThen(this.end(undefined), this.branch.close)
  }

  /** Connections, one after the other. */
  private get life(): Effect.Effect<void> {
    // not before the peer has its place in the tree
    const begin = Effect.andThen(Effect.yieldNow, this.connectAgainAndAgain)
    return Effect.onExit(begin, () => this.end(undefined))
  }

  private readonly connectAgainAndAgain = Effect.gen({ self: this }, function* () {
    const { restart, stableMillis } = this.settings
    let delays = yield* this.delays
    let attempt = 1
    let lastFailure: QuicError | undefined
    for (;;) {
      if (restart === "onDemand" && lastFailure === undefined) yield* this.until(this.isWanted)
      if (this.farewell !== undefined) return
      yield* this.to({ _tag: "Connecting", attempt, lastFailure, retryInMillis: 0 })
      const { error, lastedMillis, restarted } = yield* this.oneConnection
      if (this.farewell !== undefined) return
      const wasStable = lastedMillis >= stableMillis
      if (restarted || wasStable) {
        delays = yield* this.delays
        attempt = 0
      }
      lastFailure = undefined
      const again = restart === "eager" || (restart === "onDemand" && lastedMillis < 0)
      const wait = restarted || (again && wasStable) ? 0 : again ? yield* delays(error) : undefined
      attempt++
      if (wait !== undefined) {
        lastFailure = restarted ? undefined : error
        yield* this.to({ _tag: "Connecting", attempt, lastFailure, retryInMillis: wait })
        yield* Effect.timeoutOption(this.until(this.isRestarting), wait)
      } else if (restart === "onDemand") {
        delays = yield* this.delays
        attempt = 1
        if (lastedMillis < 0) this.failures++
        yield* this.to({ _tag: "Idle", reason: error })
      } else return yield* this.end(error)
    }
  })

  /** From the first packet to the end, however that comes. */
  private get oneConnection(): Effect.Effect<Ending> {
    let sinceMicros = Number.POSITIVE_INFINITY
    const made = Effect.gen({ self: this }, function* () {
      const connection = yield* this.settings.dial(this)
      this.early = connection
      this.available.wakeAll()
      yield* connection.handshakeComplete
      return connection
    })
    const lived = Effect.gen({ self: this }, function* () {
      const connection = yield* Effect.raceFirst(
        made,
        Effect.as(
          this.until(() => this.restartAsked),
          undefined
        )
      )
      if (connection === undefined) return yield* Effect.fail(this.closedError(undefined))
      sinceMicros = this.endpoint.now()
      yield* this.to({ _tag: "Connected", connection })
      return yield* Effect.fail(yield* this.accompany(connection))
    })
    return Effect.suspend(() => {
      this.restartAsked = false
      return Effect.map(Effect.flip(Effect.scoped(lived)), (error) => {
        this.early = undefined
        const lastedMillis = (this.endpoint.now() - sinceMicros) / 1000
        return { error, restarted: this.restartAsked, lastedMillis }
      })
    })
  }

  /** Watches a connection to its end, and ends it when that is asked for. */
  private accompany(connection: QuicConnection): Effect.Effect<QuicError> {
    const watch: Effect.Effect<QuicError> = Effect.suspend(() => {
      if (this.farewell !== undefined || this.restartAsked) {
        const { code, reason } = this.farewell ?? { code: 0, reason: "" }
        return Effect.andThen(Effect.orDie(connection.close(code, reason)), connection.closed)
      }
      const moved = { _tag: connection.isMigrating ? "Migrating" : "Connected", connection } as const
      const news = Effect.raceFirst(connection.pathChanged, this.asked.park)
      return this.to(moved).pipe(
        Effect.andThen(Effect.raceFirst(Effect.as(news, undefined), connection.closed)),
        Effect.flatMap((ended) => (ended === undefined ? watch : Effect.succeed(ended)))
      )
    })
    return watch
  }

  private readonly isWanted = (): boolean => this.available.size > 0 || this.restartAsked
  private readonly isRestarting = (): boolean => this.restartAsked

  /** Waits until `condition` holds, or the peer is to be closed. */
  private until(condition: () => boolean): Effect.Effect<void> {
    return Effect.suspend(() =>
      condition() || this.farewell !== undefined ? Effect.void : this.asked.parkThen(this.until(condition))
    )
  }

  /** The schedule from its beginning: how many milliseconds to wait, or undefined when it is over. */
  private get delays(): Effect.Effect<Delays> {
    return Effect.map(
      Schedule.toStep(this.settings.schedule),
      (step): Delays =>
        (error) =>
          Clock.currentTimeMillis.pipe(
            Effect.flatMap((now) => step(now, error)),
            Effect.map(([, delay]) => Duration.toMillis(delay)),
            Pull.catchDone(() => Effect.succeed(undefined))
          )
    )
  }

  private to(next: PeerState): Effect.Effect<void> {
    return Effect.suspend(() => {
      const { state } = this.lifecycle
      if (state._tag === next._tag && state._tag !== "Connecting") return Effect.void
      if (!this.lifecycle.to(next)) return Effect.void
      this.sinceMicros = this.endpoint.now()
      return Effect.map(SubscriptionRef.set(this.state, next), () => {
        this.available.wakeAll()
        this.replaced.wakeAll()
      })
    })
  }

  private end(reason: QuicError | undefined): Effect.Effect<void> {
    return Effect.suspend(() => {
      this.endpoint.peers.delete(this)
      return Effect.andThen(this.to({ _tag: "Closed", reason }), Deferred.succeed(this.ended, undefined))
    })
  }

  private closedError(reason: QuicError | undefined): QuicError {
    const problem = reason === undefined ? "by this side" : reason.message
    return quicError(new PeerClosed({ name: this.settings.name, problem }))
  }
}

const detailOf = (state: PeerState): string => {
  switch (state._tag) {
    case "Idle":
    case "Closed":
      return state.reason?.message ?? ""
    case "Connecting": {
      const { attempt, lastFailure, retryInMillis } = state
      const wait = retryInMillis > 0 ? `, in ${Math.round(retryInMillis)} ms` : ""
      return `attempt ${attempt}${wait}${lastFailure === undefined ? "" : `; ${lastFailure.message}`}`
    }
    case "Connected":
    case "Migrating":
      return ""
  }
}
