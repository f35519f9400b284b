/**
 * One peer: a server to stay connected to.
 *
 * It owns a fiber that lives as long as the peer and, below it, one connection at a time. When that ends, the fiber
 * makes another as the policy says, and wakes waiting fibers. It queues no work: waiters are application fibers, and
 * their number is limited. Interrupting the fiber closes the connection.
 */
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import * as SubscriptionRef from "effect/SubscriptionRef"
import type { PeerNode } from "../capability/treeNodes.ts"
import { PeerBusy, PeerClosed, type QuicError, quicError } from "../QuicError.ts"
import type { Branch } from "./Branch.ts"
import type { EndpointActor, PeerPlace } from "./EndpointActor.ts"
import { detailOf, PeerLifecycle, type PeerState } from "./peerState.ts"
import type { PathActor } from "./PathActor.ts"
import { type Ending, ReconnectPolicy, type ReconnectSettings } from "./ReconnectPolicy.ts"
import { WaitList } from "./WaitList.ts"

/** What a peer needs of its connections. */
export interface PeerConnection {
  readonly handshakeComplete: Effect.Effect<unknown, QuicError>
  readonly closed: Effect.Effect<QuicError>
  readonly actor: { readonly path: Pick<PathActor, "isMigrating" | "moved"> }
  close(code: number, reason: string): Effect.Effect<void, QuicError>
}

export interface PeerSettings<Connection> extends ReconnectSettings {
  readonly name: string
  readonly maxWaiting: number
  /** Opens a connection, which may be usable for 0-RTT only at first. */
  readonly dial: (peer: PeerPlace) => Effect.Effect<Connection, QuicError, Scope.Scope>
}

export class PeerActor<Connection extends PeerConnection> implements PeerPlace {
  readonly branch: Branch
  readonly state: SubscriptionRef.SubscriptionRef<PeerState<Connection>>
  readonly settings: PeerSettings<Connection>
  /** Fibers that wait for a connection. */
  readonly available = new WaitList()
  /** Fibers that serve whichever connection exists without requesting one. */
  readonly replaced = new WaitList()
  private readonly endpoint: EndpointActor
  private readonly lifecycle = new PeerLifecycle<Connection>()
  /** A request for the fiber was made. */
  private readonly requested = new WaitList()
  private readonly ended = Deferred.makeUnsafe<void>()
  private early: Connection | undefined = undefined
  private restartRequested = false
  private closeRequest: { readonly code: number; readonly reason: string } | undefined = undefined
  /** Counts failures, so that waiters can tell that an attempt they waited for failed. */
  private failures = 0
  private sinceMicros: number
  /** Told of each new connection before anything can be accepted from it. */
  private readonly attachments = new Set<(connection: Connection) => void>()

  constructor(
    settings: PeerSettings<Connection>,
    endpoint: EndpointActor,
    state: SubscriptionRef.SubscriptionRef<PeerState<Connection>>
  ) {
    this.settings = settings
    this.endpoint = endpoint
    this.state = state
    this.sinceMicros = endpoint.now()
    this.branch = endpoint.branch.fork(this.life, (cause) => {
      endpoint.report(`the peer ${settings.name} broke`, cause, { peer: settings.name })
    })
  }

  get name(): string {
    return this.settings.name
  }

  snapshot(nowMicros: number): Omit<PeerNode, "connections"> {
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

  /** The current connection; with `early`, also one that is only usable for 0-RTT yet. */
  current(early: boolean): Connection | undefined {
    const { state } = this.lifecycle
    if (state._tag === "Connected" || state._tag === "Migrating") return state.connection
    return early ? this.early : undefined
  }

  /** Waits for a connection, and requests one if the policy is on demand. */
  connection(early: boolean): Effect.Effect<Connection, QuicError> {
    return Effect.suspend(() => {
      const { failures } = this
      const look: Effect.Effect<Connection, QuicError> = Effect.suspend(() => {
        const { state } = this.lifecycle
        if (state._tag === "Closed") return Effect.fail(this.closedError(state.reason))
        const connection = this.current(early)
        if (connection !== undefined) return Effect.succeed(connection)
        if (state._tag === "Idle" && state.reason !== undefined && this.failures !== failures)
          return Effect.fail(state.reason)
        const { name, maxWaiting } = this.settings
        if (this.available.size >= maxWaiting)
          return Effect.fail(quicError(new PeerBusy({ name, maxWaiting })))
        return this.available.parkThen(look, () => this.requested.wakeAll())
      })
      return look
    })
  }

  /** The next connection after `previous`, whoever requested it. */
  replacement(previous: Connection | undefined): Effect.Effect<Connection, QuicError> {
    return Effect.suspend(() => {
      const connection = this.current(false)
      if (connection !== undefined && connection !== previous) return Effect.succeed(connection)
      return this.refusal ?? this.replaced.parkThen(this.replacement(previous))
    })
  }

  /** Why there will be no connection any more; undefined while there may. */
  get refusal(): Effect.Effect<never, QuicError> | undefined {
    const { state } = this.lifecycle
    return state._tag === "Closed" ? Effect.fail(this.closedError(state.reason)) : undefined
  }

  /** Calls `attach` with the current connection, and with each new one until the returned function is called. */
  attach(attach: (connection: Connection) => void): () => void {
    this.attachments.add(attach)
    const there = this.current(true)
    if (there !== undefined) attach(there)
    return () => this.attachments.delete(attach)
  }

  /** Waits until the peer is closed for good. */
  get closed(): Effect.Effect<QuicError> {
    return Effect.flatMap(Deferred.await(this.ended), () =>
      Effect.flip(this.refusal ?? Effect.fail(this.closedError(undefined)))
    )
  }

  /** Replaces the current connection, at once. */
  restart(): Effect.Effect<void, QuicError> {
    return Effect.suspend(() => {
      if (this.refusal !== undefined) return this.refusal
      this.restartRequested = true
      this.requested.wakeAll()
      return Effect.void
    })
  }

  /** Delivers accepted data, closes the connection with `code`, and makes no other. */
  close(code: number, reason: string): Effect.Effect<void> {
    return Effect.suspend(() => {
      this.closeRequest ??= { code, reason }
      this.requested.wakeAll()
      return Deferred.await(this.ended)
    })
  }

  retire(): void {
    this.closeRequest ??= { code: 0, reason: "" }
    this.requested.wakeAll()
  }

  /** Closes at once: after a failure or interruption, or with the endpoint. */
  get abandon(): Effect.Effect<void> {
    return Effect.andThen(this.end(undefined), this.branch.close)
  }

  private get life(): Effect.Effect<void> {
    // not before the peer is in the tree
    const begin = Effect.andThen(Effect.yieldNow, this.reconnectLoop())
    return Effect.onExit(begin, () => this.end(undefined))
  }

  /** Makes one connection after the other. */
  private readonly reconnectLoop = Effect.fnUntraced(function* (this: PeerActor<Connection>) {
    const policy = new ReconnectPolicy(this.settings)
    const { restart } = this.settings
    yield* policy.reset
    let lastFailure: QuicError | undefined
    for (;;) {
      if (restart === "onDemand" && lastFailure === undefined) yield* this.until(() => this.isWanted)
      if (this.closeRequest !== undefined) return
      yield* this.to({ _tag: "Connecting", attempt: policy.attempt, lastFailure, retryInMillis: 0 })
      const ending = yield* this.connectOnce
      if (this.closeRequest !== undefined) return
      const delay = yield* policy.delayAfter(ending)
      lastFailure = delay === undefined || ending.restarted ? undefined : ending.error
      if (delay !== undefined) {
        const { attempt } = policy
        yield* this.to({ _tag: "Connecting", attempt, lastFailure, retryInMillis: delay })
        yield* Effect.timeoutOption(
          this.until(() => this.restartRequested),
          delay
        )
      } else if (restart === "onDemand") {
        yield* policy.reset
        if (ending.lastedMillis < 0) this.failures++
        yield* this.to({ _tag: "Idle", reason: ending.error })
      } else return yield* this.end(ending.error)
    }
  })

  /** Runs one connection from the first packet to its end. */
  private get connectOnce(): Effect.Effect<Ending> {
    let sinceMicros = Number.POSITIVE_INFINITY
    const made = Effect.gen({ self: this }, function* () {
      const connection = yield* this.settings.dial(this)
      this.early = connection
      for (const attach of this.attachments) attach(connection)
      this.available.wakeAll()
      yield* connection.handshakeComplete
      return connection
    })
    const lived = Effect.gen({ self: this }, function* () {
      const connection = yield* Effect.raceFirst(
        made,
        Effect.as(
          this.until(() => this.restartRequested),
          undefined
        )
      )
      if (connection === undefined) return yield* Effect.fail(this.closedError(undefined))
      sinceMicros = this.endpoint.now()
      yield* this.to({ _tag: "Connected", connection })
      return yield* Effect.fail(yield* this.watch(connection))
    })
    return Effect.suspend(() => {
      this.restartRequested = false
      return Effect.map(Effect.flip(Effect.scoped(lived)), (error) => {
        this.early = undefined
        const lastedMillis = (this.endpoint.now() - sinceMicros) / 1000
        return { error, restarted: this.restartRequested, lastedMillis }
      })
    })
  }

  /** Watches a connection until it ends, and closes it on request. */
  private watch(connection: Connection): Effect.Effect<QuicError> {
    const look: Effect.Effect<QuicError> = Effect.suspend(() => {
      if (this.closeRequest !== undefined || this.restartRequested) {
        const { code, reason } = this.closeRequest ?? { code: 0, reason: "" }
        return Effect.andThen(Effect.orDie(connection.close(code, reason)), connection.closed)
      }
      const { path } = connection.actor
      const moved = { _tag: path.isMigrating ? "Migrating" : "Connected", connection } as const
      const news = Effect.raceFirst(path.moved.park, this.requested.park)
      return this.to(moved).pipe(
        Effect.andThen(Effect.raceFirst(Effect.as(news, undefined), connection.closed)),
        Effect.flatMap((ended) => (ended === undefined ? look : Effect.succeed(ended)))
      )
    })
    return look
  }

  private get isWanted(): boolean {
    return this.available.size > 0 || this.restartRequested
  }

  /** Waits until `condition` holds, or the peer is to be closed. */
  private until(condition: () => boolean): Effect.Effect<void> {
    return Effect.suspend(() =>
      condition() || this.closeRequest !== undefined
        ? Effect.void
        : this.requested.parkThen(this.until(condition))
    )
  }

  private to(next: PeerState<Connection>): Effect.Effect<void> {
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
