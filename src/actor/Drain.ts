/**
 * Takes an endpoint out of service: strangers are refused, peers open no more streams than they may already, handlers
 * finish, and then everything is closed, at a deadline at the latest.
 *
 * QUIC has no frame that says so to peers: `begun` lets handlers say goodbye in the language of their protocol. The
 * fiber that drains is nobody's child, as it outlives the endpoint it closes; whoever closes the endpoint otherwise waits
 * for it.
 */
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import type * as Fiber from "effect/Fiber"
import type { RunFork } from "./Branch.ts"
import type { ConnectionActor } from "./ConnectionActor.ts"
import { closeDelivered } from "./endConnection.ts"
import { untilQuiet } from "./untilQuiet.ts"
import { WaitList } from "./WaitList.ts"

/** What became of the connections of a drained endpoint. */
export interface DrainOutcome {
  readonly finished: number
  readonly cutOff: number
}

/** The code and reason that connections are closed with. */
export interface Farewell {
  readonly code: number
  readonly reason: string
}

/** What draining needs of its endpoint. */
export interface DrainHost {
  readonly now: () => number
  readonly runFork: RunFork
  /** Those that are not drained, or have handlers. */
  readonly connections: Iterable<ConnectionActor>
  /** Refuses new clients, and those without a connection that the application knows. */
  refuseStrangers(): void
  /** Closes the peer that has this connection, if one has: it would connect again. */
  retirePeerOf(actor: ConnectionActor): void
  /** Closes what is left, delivering nothing more, and the sockets. */
  readonly close: Effect.Effect<void>
}

export class Drain {
  /** Has begun, or the endpoint is closed. */
  readonly begun = Deferred.makeUnsafe<void>()
  private readonly host: DrainHost
  private readonly outcome = Deferred.makeUnsafe<DrainOutcome>()
  private fiber: Fiber.Fiber<unknown> | undefined = undefined
  private deadlineMicros = Number.POSITIVE_INFINITY
  private readonly hurried = new WaitList()
  private readonly seen = new Set<ConnectionActor>()
  private readonly finished = new Set<ConnectionActor>()
  private isCounted = false

  constructor(host: DrainHost) {
    this.host = host
  }

  /** Begins, or brings the deadline forward. The farewell is that of the first call. */
  begin(millis: number, farewell: Farewell): Effect.Effect<DrainOutcome> {
    return Effect.suspend(() => {
      this.hurry(this.host.now() + millis * 1000)
      this.fiber ??= this.host.runFork(this.run(farewell))
      return Deferred.await(this.outcome)
    })
  }

  /** The endpoint is about to close: who has not finished is cut off. */
  countFinished(): void {
    if (this.isCounted) return
    this.isCounted = true
    for (const actor of this.seen)
      if (!actor.core.lifecycle.isOpen && !actor.isServed) this.finished.add(actor)
  }

  /** The endpoint is closed: nothing is waited for any more. */
  end(): void {
    Deferred.doneUnsafe(this.begun, Effect.void)
    this.hurry(0)
  }

  /** Waits for the fiber that drains. */
  get whenDone(): Effect.Effect<void> {
    return Effect.suspend(() =>
      this.fiber === undefined ? Effect.void : Effect.asVoid(Deferred.await(this.outcome))
    )
  }

  private hurry(deadlineMicros: number): void {
    if (deadlineMicros >= this.deadlineMicros) return
    this.deadlineMicros = deadlineMicros
    this.hurried.wakeAll()
  }

  private run(farewell: Farewell): Effect.Effect<void> {
    const finish = Effect.andThen(this.finishServed(farewell), this.finishOthers(farewell))
    return Effect.suspend(() => {
      this.host.refuseStrangers()
      Deferred.doneUnsafe(this.begun, Effect.void)
      // handlers that wait for it go first
      return Effect.andThen(Effect.yieldNow, Effect.raceFirst(finish, this.untilDeadline))
    }).pipe(
      Effect.andThen(this.cutOff(farewell)),
      Effect.ensuring(Effect.suspend(() => this.host.close)),
      Effect.ensuring(Effect.suspend(() => Deferred.succeed(this.outcome, this.count)))
    )
  }

  private get untilDeadline(): Effect.Effect<void> {
    return Effect.suspend(() => {
      const left = this.deadlineMicros - this.host.now()
      // before what still goes on is interrupted, which closes connections as well
      if (left <= 0) return Effect.sync(() => this.countFinished())
      return Effect.flatMap(Effect.timeoutOption(this.hurried.park, left / 1000), () => this.untilDeadline)
    })
  }

  /** Waits for the handlers of all connections. */
  private finishServed(farewell: Farewell): Effect.Effect<void> {
    return this.ofAll((actor) => {
      const isAccepted = actor.core.config.role === "server"
      if (actor.isServed || isAccepted) actor.leave()
      if (!actor.isServed || !isAccepted) return actor.whenUnserved
      const close = Effect.andThen(this.closeIdle(actor, farewell), actor.whenUnserved)
      return Effect.raceFirst(actor.whenUnserved, close)
    })
  }

  /**
   * Closes the connection of a handler that goes on although no stream is open, longer than `serveStreams` does: it waits
   * for another, and has `closeTimeoutMillis` to see that there is none.
   */
  private closeIdle(actor: ConnectionActor, farewell: Farewell): Effect.Effect<void> {
    const { handlers } = actor
    return Effect.flatMap(untilQuiet(actor, 2), () =>
      handlers.isServingStreams
        ? Effect.andThen(
            handlers.whenStreamsServed,
            Effect.suspend(() => this.closeIdle(actor, farewell))
          )
        : this.close(actor, farewell)
    )
  }

  /** Closes the other connections, each as soon as none of its streams is open. */
  private finishOthers(farewell: Farewell): Effect.Effect<void> {
    return this.ofAll((actor) => {
      actor.leave()
      return Effect.flatMap(untilQuiet(actor), () => {
        if (actor.owner === undefined) return this.close(actor, farewell)
        this.host.retirePeerOf(actor)
        return untilOver(actor)
      })
    })
  }

  private close(actor: ConnectionActor, { code, reason }: Farewell): Effect.Effect<void> {
    return Effect.suspend(() => closeDelivered(actor, code, reason))
  }

  private ofAll(work: (actor: ConnectionActor) => Effect.Effect<void>): Effect.Effect<void> {
    return Effect.suspend(() => {
      const all = [...this.host.connections].filter(
        ({ isServed, isUsable, core }) => isServed || (isUsable && core.lifecycle.isOpen)
      )
      for (const actor of all) this.seen.add(actor)
      return Effect.forEach(all, work, { concurrency: "unbounded", discard: true })
    })
  }

  private cutOff({ code, reason }: Farewell): Effect.Effect<void> {
    return Effect.sync(() => {
      this.countFinished()
      for (const actor of this.seen) if (!this.finished.has(actor)) actor.close(code, reason)
    })
  }

  private get count(): DrainOutcome {
    return { finished: this.finished.size, cutOff: this.seen.size - this.finished.size }
  }
}

const untilOver = (actor: ConnectionActor): Effect.Effect<void> =>
  Effect.suspend(() => (actor.isOver ? Effect.void : actor.signals.closed.parkThen(untilOver(actor))))
